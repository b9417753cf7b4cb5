#pragma once

// Intel 82540EM ("PRO/1000 MT Desktop"): the card that QEMU calls e1000.
//
//     MDIC -- PHY ----- cable               EECD -- EEPROM
//     ring -- transmitter --> link          link --> filter -- receiver -- ring
//                    `---- causes -- mask -- throttle -- INTA ----'
//
// The parts are in files of their own; here are the registers that belong to none of them, and the PCI
// function. Registers are 32 bits wide and read and written as a whole.

#include <memory>
#include <string>
#include <vector>

#include "devices/e1000_eeprom.h"
#include "devices/e1000_phy.h"
#include "devices/e1000_receiver.h"
#include "devices/e1000_transmitter.h"
#include "devices/network.h"
#include "devices/pci.h"

namespace doppel::devices {

/// @source  Intel "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual",
///          "PCI Local Bus Interface" (4) and "Register Descriptions" (13)
class E1000 final : public PciFunction, public NetworkCard {
 public:
  static constexpr u64 kRegisterBytes = 128 << 10;
  static constexpr u64 kPortBytes = 64;

  struct Config {
    std::string name;             ///< "nic0"
    MacAddress mac{};
    NetworkLink* link = nullptr;  ///< Null: no cable.
    std::vector<u8> rom;          ///< Empty: none.
  };
  /// References must outlive the card.
  E1000(Config config, mmu::PhysicalMemory& memory, mmu::IoMap& ports, Scheduler& scheduler,
        IrqLine& line);

  MacAddress mac() const override { return mac_; }
  bool can_receive() const override;
  void receive(std::span<const u8> frame) override;

  void reset() override;
  void serialize(Archive& archive) override;

 private:
  class Registers final : public mmu::IoHandler {
   public:
    explicit Registers(E1000& card) : card_(card) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    E1000& card_;
  };
  /// IOADDR picks a register, IODATA is it.
  class Ports final : public mmu::IoHandler {
   public:
    explicit Ports(E1000& card) : card_(card) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    E1000& card_;
  };

  u32 read_register(u32 offset);
  void write_register(u32 offset, u32 value);
  void write_control(u32 value);
  u32 status() const;
  void link_changed();
  void reset_mac();
  void follow_surroundings();
  E1000Transmitter::Surroundings surroundings() const;
  void config_written(unsigned offset, unsigned size_bytes) override;
  bool bus_master() const { return (command() & pci_config::kCommandMaster) != 0; }
  E1000Receiver::Vlan vlan() const;

  const MacAddress mac_;
  E1000Statistics statistics_;
  E1000Interrupts interrupts_;
  E1000Eeprom eeprom_;
  E1000Phy phy_;
  E1000Receiver receiver_;
  E1000Transmitter transmitter_;
  Registers registers_;
  Ports ports_;
  u32 ctrl_ = 0;
  u32 io_address_ = 0;
  std::array<u32, 16> kept_{};  // Registers that nothing here depends on.
  std::array<u32, 192> wake_up_{};
};

}  // namespace doppel::devices
