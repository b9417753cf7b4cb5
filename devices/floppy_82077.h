#pragma once

// The floppy controller: a small processor that is talked to through one byte-wide port.
//
//     command phase    up to 9 bytes are written; the first says how many
//     execution phase  sectors pass the head; data goes by DMA, or a byte at a time
//     result phase     up to 10 bytes are read; most begin with the interrupt
//
// Seeks have no result phase: they run beside each other, and each is reported to a SENSE INTERRUPT
// STATUS that the driver issues after the interrupt. The same way four drives report after a reset.
//
// The chip's ports and phases are in floppy_82077.cpp, what it does with sectors in
// floppy_transfer.cpp, the form of its commands in floppy_commands.h.
//
// Simplified: nothing takes as long as on hardware, and a disk turns whether its motor is on or
// not.

#include <array>
#include <span>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/dma_8237.h"
#include "devices/floppy_commands.h"
#include "devices/floppy_drive.h"
#include "devices/irq.h"
#include "devices/scheduler.h"

namespace doppel::devices {

/// The 82077AA as a PC has it: in PC-AT mode, with two drives of the four it can have.
/// @source  Intel 82077AA data sheet
class Floppy82077 final : public Device {
 public:
  static constexpr unsigned kDrives = 2;

  /// `dma` is the channel that its DRQ is wired to.
  Floppy82077(Scheduler& scheduler, IrqLine& irq, DmaChannel dma);

  /// Ports 3F0h-3F5h.
  mmu::IoHandler& ports() { return ports_; }
  static constexpr u16 kPorts = 6;
  /// Port 3F7h: DIR and CCR. (3F6h is the hard disk controller's.)
  mmu::IoHandler& rate_port() { return rate_port_; }

  /// Builds a drive in; drive 0 is A.
  void fit(unsigned drive, FloppyDriveType type);
  /// Changes the disk of drive 0 or 1 (null: ejects it); `medium` must live as long as it is in.
  /// An empty bay gets the drive that the disk was made for. False: no such drive, or the disk's
  /// size is no format that the drive reads; nothing changed then.
  bool insert(unsigned drive, BlockBackend* medium);
  /// CMOS register 10h: the type of A above that of B.
  u8 cmos_drive_types() const;

  std::string_view name() const override { return "floppy"; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  enum class Phase : u8 { Command, Execution, Result };
  static constexpr unsigned kUnits = 4;  // Drives that commands can name.
  static constexpr unsigned kResultBytes = 10;
  static constexpr unsigned kSectorBytes = 512;

  /// A command between its command phase and its result phase.
  struct Transfer {
    u8 c = 0, h = 0, r = 0, n = 0;  // The sector ID looked for, then the result's.
    u8 head = 0;                    // Which side is read.
    u8 st1 = 0, st2 = 0;
    u16 done = 0;             // Sectors passed.
    u16 position = 0;         // Bytes of `buffer` that the processor moved.
    bool host_moves = false;  // Not DMA: the processor is expected at the FIFO.
    std::array<u8, kSectorBytes> buffer{};
    void serialize(Archive& archive) {
      archive(c, h, r, n, head, st1, st2, done, position, host_moves, buffer);
    }
  };

  // Ports.
  u8 read_port(unsigned offset);
  void write_port(unsigned offset, u8 value);
  u8 read_dir(unsigned offset);
  void write_ccr(unsigned offset, u8 value);
  void write_dor(u8 value);
  void write_dsr(u8 value);
  u8 main_status() const;
  u8 read_fifo();
  void write_fifo(u8 value);

  bool is_held_in_reset() const;
  void software_reset();
  void stop();
  void raise_interrupt();
  void lower_interrupt();
  void drive_irq();
  bool is_on_bus() const;

  // Commands without sectors.
  FloppyCommand command() const { return floppy_command(command_[0]).command; }
  unsigned unit() const { return command_[1] & 3; }
  /// Null: nothing is plugged in there.
  FloppyDrive* drive(unsigned unit);
  void start_command();
  void start_result(std::span<const u8> bytes);
  unsigned next_seek_report() const;
  void sense_interrupt();
  void sense_drive();
  void recalibrate();
  void seek(u8 target);
  void report_seek(u8 st0, unsigned steps);
  void dump_registers();

  // Commands with sectors (floppy_transfer.cpp).
  void start_transfer();
  void continue_transfer();
  void read_id();
  void format_sector();
  void next_sector();
  bool find_track();
  bool find_sector();
  void read_sector();
  void write_sector(DmaMoved moved);
  void sector_passed(bool terminal_count);
  void await_sector();
  void advance_id();
  DmaMoved move_by_dma();
  void wait_for_host();
  void host_moved_byte();
  void finish(u8 interrupt_code);
  bool is_write() const;
  bool is_multi_track() const;
  bool is_end_of_cylinder() const;
  bool uses_dma() const;
  unsigned buffer_bytes() const;
  std::span<u8> buffer() { return std::span<u8>(transfer_.buffer).first(buffer_bytes()); }

  Scheduler& scheduler_;
  IrqLine& irq_;
  DmaChannel dma_;
  Scheduler::EventId reset_event_;
  Scheduler::EventId transfer_event_;
  std::array<Scheduler::EventId, kUnits> seek_events_{};
  std::array<FloppyDrive, kDrives> drives_;

  u8 dor_ = 0;
  u8 tdr_ = 0;
  u8 rate_ = 0;
  Phase phase_ = Phase::Command;
  bool interrupt_ = false;
  std::array<u8, kFloppyCommandBytes> command_{};
  u8 command_count_ = 0;
  std::array<u8, kResultBytes> result_{};
  u8 result_count_ = 0;
  u8 result_position_ = 0;
  Transfer transfer_;

  std::array<u8, kUnits> pcn_{};        // Present cylinder numbers, as the chip believes.
  std::array<u8, kUnits> sense_st0_{};  // What SENSE INTERRUPT STATUS will say of each drive,
  u8 sense_pending_ = 0;                // once its bit here is set.

  // SPECIFY, CONFIGURE, PERPENDICULAR MODE, LOCK; kept for DUMPREG where they have no effect here.
  std::array<u8, 2> specify_{};
  u8 configuration_ = 0;
  u8 precompensation_track_ = 0;
  u8 perpendicular_ = 0;
  u8 last_eot_ = 0;
  bool lock_ = false;

  BytePorts<Floppy82077> ports_{*this, &Floppy82077::read_port, &Floppy82077::write_port};
  BytePorts<Floppy82077> rate_port_{*this, &Floppy82077::read_dir, &Floppy82077::write_ccr};
};

}  // namespace doppel::devices
