#pragma once

// An IDE cable: one set of ports, up to two drives, one interrupt line.
//
// Both drives hear every write to the task file; the device register says which of them answers and
// takes commands. A drive that is not there reads as zeros: its status is neither busy nor ready.

#include <array>
#include <memory>
#include <string>

#include "devices/byte_ports.h"
#include "devices/ide_bus_master.h"
#include "devices/ide_drive.h"
#include "devices/irq.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// @source  ATA/ATAPI-7 Vol. 2, "Register delivered protocols"
class IdeChannel final : private IdeCable {
 public:
  static constexpr unsigned kDrives = 2;

  /// All given must outlive the channel. `name` is that of its events.
  IdeChannel(const std::string& name, Scheduler& scheduler, IrqLine& irq, IdeBusMaster& master);

  /// Before the first reset; replaces what was there.
  void attach(unsigned unit, std::unique_ptr<IdeDrive> drive);
  const IdeDrive* drive(unsigned unit) const { return drives_[unit % kDrives].get(); }

  /// 1F0h-1F7h and 3F6h, or 170h-177h and 376h.
  mmu::IoHandler& command_ports() { return command_ports_; }
  mmu::IoHandler& control_port() { return control_port_; }
  /// False: the ports float.
  void set_decoded(bool decoded) { decoded_ = decoded; }

  /// Brings drive and bus master together, after either has changed.
  void service_dma();

  void reset();
  void serialize(Archive& archive);

 private:
  class CommandPorts final : public mmu::IoHandler {
   public:
    explicit CommandPorts(IdeChannel& channel) : channel_(channel) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    IdeChannel& channel_;
  };

  void call_back(unsigned unit, u64 delay_ns) override;
  void cancel_call(unsigned unit) override;
  void interrupt_changed() override;
  void dma_requested() override { service_dma(); }

  IdeDrive* selected() { return drives_[selected_].get(); }
  u8 read_register(unsigned index);
  void write_register(unsigned index, u8 value);
  void write_command(u8 code);
  u8 read_control(unsigned offset);
  void write_control(unsigned offset, u8 value);

  Scheduler& scheduler_;
  IrqLine& irq_;
  IdeBusMaster& master_;
  std::array<std::unique_ptr<IdeDrive>, kDrives> drives_;
  std::array<Scheduler::EventId, kDrives> events_{};
  CommandPorts command_ports_;
  BytePorts<IdeChannel> control_port_;
  bool decoded_ = true;

  u8 selected_ = 0;
  u8 control_ = 0;
  bool line_ = false;
};

}  // namespace doppel::devices
