#pragma once

// The PCI bus and what every function on it has in common.
//
// Configuration mechanism 1: the doubleword at CF8h names bus, slot, function and register, and the
// four bytes at CFCh are that register. Only a doubleword access to CF8h is meant for the latch;
// byte CF9h is the reset control port. Whatever is not there reads all ones.
//
// A function declares which bits of its 256 bytes software may change; its base address registers
// map their handlers as they are enabled and moved.

#include <array>
#include <string>
#include <vector>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"
#include "mmu/device_memory.h"
#include "mmu/io_map.h"

namespace doppel::devices {

/// Registers of the common header. @source  PCI Local Bus Specification 3.0, "Configuration Space
/// Organization"
namespace pci_config {
inline constexpr unsigned kVendor = 0x00;
inline constexpr unsigned kDevice = 0x02;
inline constexpr unsigned kCommand = 0x04;
inline constexpr unsigned kStatus = 0x06;
inline constexpr unsigned kRevision = 0x08;
inline constexpr unsigned kClass = 0x09;  // Interface, subclass, class.
inline constexpr unsigned kHeaderType = 0x0e;
inline constexpr unsigned kBar0 = 0x10;
inline constexpr unsigned kSubsystemVendor = 0x2c;
inline constexpr unsigned kSubsystem = 0x2e;
inline constexpr unsigned kRomBase = 0x30;
inline constexpr unsigned kInterruptLine = 0x3c;
inline constexpr unsigned kInterruptPin = 0x3d;

inline constexpr u16 kCommandIo = 1u << 0;
inline constexpr u16 kCommandMemory = 1u << 1;
inline constexpr u16 kCommandMaster = 1u << 2;
inline constexpr u16 kCommandInterruptDisable = 1u << 10;
}  // namespace pci_config

class PciFunction : public Device {
 public:
  struct Identity {
    u16 vendor = 0;
    u16 device = 0;
    u8 revision = 0;
    u32 class_code = 0;  ///< Class, subclass, interface: 24 bits.
    u16 subsystem_vendor = 0;
    u16 subsystem = 0;
    bool multifunction = false;
    u8 interrupt_pin = 0;  ///< 1 = INTA; 0: none.
  };
  PciFunction(std::string name, const Identity& identity);

  /// As software reads `size_bytes` (1 to 8), little endian.
  u64 read_config(unsigned offset, unsigned size_bytes);
  u8 read_config(unsigned offset) const { return config_[offset & 0xff]; }
  /// Writes `size_bytes` (1, 2 or 4) little endian; bits that are not writable keep their values.
  void write_config(unsigned offset, unsigned size_bytes, u32 value);

  u16 command() const { return config_word(pci_config::kCommand); }

  /// Of base address register 0 to 5, or 6: the expansion ROM; 0: there is none.
  u64 bar_size_bytes(unsigned index) const { return bars_[index % bars_.size()].size; }

  std::string_view name() const final { return name_; }
  /// Restores the configuration space; a chip with more state extends it.
  void reset() override;
  void serialize(Archive& archive) override;

 protected:
  enum class BarKind : u8 { Io, Memory32, Memory64 };
  /// BAR `index` of `size_bytes` (a power of two) answers through `handler` wherever software puts
  /// it. A 64-bit one takes the next index as well. `map` is the board's port or memory map.
  void add_bar(unsigned index, BarKind kind, u64 size_bytes, mmu::IoMap& map,
               mmu::IoHandler& handler, bool prefetchable = false);
  /// BAR `index`, 32 bits, is memory that the guest reaches as fast as RAM.
  void add_memory_bar(unsigned index, mmu::DeviceMemory& memory, bool prefetchable);
  /// The expansion ROM, padded with FFh to a power of two.
  void set_rom(std::vector<u8> bytes, mmu::IoMap& map);

  /// The value after reset, and which of its bits software may write.
  void define_byte(unsigned offset, u8 initial, u8 writable);
  void define_word(unsigned offset, u16 initial, u16 writable);
  /// Bits that a written one clears.
  void define_clearable(unsigned offset, u8 bits) { clearable_[offset & 0xff] = bits; }
  void set_config(unsigned offset, u8 value) { config_[offset & 0xff] = value; }
  u16 config_word(unsigned offset) const;
  u32 config_dword(unsigned offset) const;

  /// Before software reads bytes [offset, offset + size).
  virtual void config_reading(unsigned offset, unsigned size_bytes);
  /// After software wrote bytes [offset, offset + size).
  virtual void config_written(unsigned offset, unsigned size_bytes);

 private:
  struct Bar {
    BarKind kind = BarKind::Io;
    unsigned offset = 0;  // In the configuration space.
    u64 size = 0;         // 0: not there.
    mmu::IoMap* map = nullptr;
    mmu::IoHandler* handler = nullptr;
    mmu::DeviceMemory* memory = nullptr;  // In place of map and handler.
    bool mapped = false;
    u64 base = 0;
  };
  static constexpr unsigned kRomBar = 6;  // Behind the six.

  /// The expansion ROM's bytes, to be read.
  class Rom final : public mmu::IoHandler {
   public:
    u64 read(u64 offset, Width width) override;
    void write(u64, Width, u64) override {}
    std::vector<u8> bytes;
  };

  void define_bar(unsigned index, unsigned offset, u32 kind_bits, Bar bar);
  void update_bars();
  bool map(Bar& bar);
  void unmap(Bar& bar);
  bool wanted(const Bar& bar, u64& base) const;

  std::string name_;
  std::array<u8, 256> config_{};
  std::array<u8, 256> initial_{};
  std::array<u8, 256> writable_{};
  std::array<u8, 256> clearable_{};
  std::array<Bar, 7> bars_{};
  Rom rom_;
};

class PciBus final : public Device {
 public:
  /// CF9h as a byte is given to `reset_port`, which must outlive the bus.
  explicit PciBus(mmu::IoHandler& reset_port);

  /// Puts a function on bus 0; it must outlive the bus. False if the place is taken or does not
  /// exist.
  bool add(unsigned slot, unsigned function, PciFunction& device);
  /// Null where nothing is.
  const PciFunction* function(unsigned slot, unsigned function) const {
    return functions_[(slot * 8 + function) % functions_.size()];
  }

  /// CF8h-CFBh and CFCh-CFFh.
  mmu::IoHandler& address_ports() { return address_ports_; }
  mmu::IoHandler& data_ports() { return data_ports_; }

  std::string_view name() const override { return "pci"; }
  /// The latch; functions are devices of their own.
  void reset() override { address_ = 0; }
  void serialize(Archive& archive) override { archive(address_); }

 private:
  class AddressPorts final : public mmu::IoHandler {
   public:
    explicit AddressPorts(PciBus& bus) : bus_(bus) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    PciBus& bus_;
  };
  class DataPorts final : public mmu::IoHandler {
   public:
    explicit DataPorts(PciBus& bus) : bus_(bus) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    PciBus& bus_;
  };

  PciFunction* selected() const;
  unsigned register_offset() const { return address_ & 0xfc; }

  mmu::IoHandler& reset_port_;
  u32 address_ = 0;
  std::array<PciFunction*, 32 * 8> functions_{};
  AddressPorts address_ports_;
  DataPorts data_ports_;
};

}  // namespace doppel::devices
