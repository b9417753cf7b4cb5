#pragma once

// The local APIC: one for each processor.
//
// An interrupt arrives in IRR, moves to ISR when the processor acknowledges it, and leaves with
// EOI. It may interrupt only if its class (upper four bits) is above the processor priority, which
// is the higher of the task priority and the class in service. Both highest vectors are kept as the
// sets change, so asking "is there anything?" costs two compares.
//
// The same registers are reached in two ways: as a page of memory (xAPIC) or as MSRs (x2APIC).

#include <array>
#include <optional>
#include <string>

#include "devices/apic_bus.h"
#include "devices/device.h"
#include "devices/irq.h"
#include "devices/lapic_timer.h"
#include "devices/vector_set.h"
#include "mmu/io_handler.h"

namespace doppel::devices {

class LocalApic;

/// The board around a local APIC.
class LocalApicHost {
 public:
  virtual ~LocalApicHost() = default;
  /// wants_interrupt() or accepts_pic() may have changed.
  virtual void local_apic_output_changed(LocalApic& apic) = 0;
  /// is_mapped() or base() changed.
  virtual void local_apic_moved(LocalApic& apic) = 0;
};

/// @source  Intel SDM Vol. 3A, "Advanced Programmable Interrupt Controller (APIC)"
class LocalApic final : public Device, public mmu::IoHandler {
 public:
  static constexpr u64 kWindowSize = 0x1000;

  /// References must outlive the chip. The bootstrap processor has id 0.
  LocalApic(u32 id, ApicBus& bus, Scheduler& scheduler, const TimestampCounter& tsc,
            ProcessorLines& processor, LocalApicHost& host);

  // The memory-mapped page (xAPIC mode).
  u64 read(u64 offset, Width width) override;
  void write(u64 offset, Width width, u64 value) override;
  bool is_mapped() const { return hardware_enabled() && !x2apic(); }
  u64 base() const { return apic_base_ & kBaseMask; }

  /// APIC_BASE, TSC_DEADLINE and the x2APIC range; false means #GP.
  bool read_msr(u32 index, u64& value);
  bool write_msr(u32 index, u64 value);

  u8 cr8() const { return static_cast<u8>(task_priority_ >> 4); }
  void set_cr8(u8 priority);

  // Towards the processor.
  bool wants_interrupt() const;
  /// INTA: the vector now in service, or the spurious one if nothing may interrupt.
  u8 acknowledge();
  u8 spurious_vector() const { return static_cast<u8>(spurious_); }
  /// The 8259's INTR passes through to the processor.
  bool accepts_pic() const;

  // From the bus.
  bool is_addressed(const ApicMessage& message) const;
  /// True if the message was taken.
  bool accept(const ApicMessage& message);
  u8 arbitration_priority() const { return processor_priority(); }
  bool hardware_enabled() const;
  bool software_enabled() const;
  bool x2apic() const;

  /// Pins LINT0 and LINT1 (`pin` 0 or 1).
  void set_lint(unsigned pin, bool level);
  void tsc_changed() { timer_.tsc_changed(); }
  /// As a PC's firmware leaves it: on, 8259 through LINT0, NMI on LINT1.
  void configure_virtual_wire();

  u32 id() const { return id_; }
  /// A register as software would read it (devices/lapic_registers.h); reading changes nothing.
  u32 peek(u32 offset) const { return read_register(offset).value_or(0); }
  std::string_view name() const override { return name_; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  static constexpr u64 kBaseMask = 0xff'ffff'f000;
  static constexpr unsigned kLvtEntries = 6;

  std::optional<u32> read_register(u32 offset) const;
  bool write_register(u32 offset, u32 value);
  bool read_x2apic(u32 offset, u64& value);
  bool write_x2apic(u32 offset, u64 value);
  bool set_apic_base(u64 value);

  u8 processor_priority() const;
  u8 arbitration_register() const;
  u32 logical_id() const;
  void end_of_interrupt();
  void set_spurious(u32 value);
  void write_lvt(unsigned index, u32 value);
  void configure_timer();
  void send_command();
  bool raise_vector(u8 vector, bool level_triggered);
  void raise_local(unsigned lvt_index);
  void report_error(u32 bit);
  void reset_registers();
  void output_changed() { host_.local_apic_output_changed(*this); }

  const u32 id_;
  const std::string name_;
  ApicBus& bus_;
  ProcessorLines& processor_;
  LocalApicHost& host_;
  LapicTimer timer_;

  u64 apic_base_ = 0;
  u8 task_priority_ = 0;
  u32 logical_destination_ = 0;
  u32 destination_format_ = 0;
  u32 spurious_ = 0;
  u32 error_status_ = 0;
  u32 pending_errors_ = 0;
  u32 command_low_ = 0;
  u32 command_high_ = 0;
  std::array<u32, kLvtEntries> lvt_{};
  std::array<bool, 2> lint_level_{};
  VectorSet requested_;
  VectorSet in_service_;
  VectorSet level_triggered_;
};

}  // namespace doppel::devices
