#pragma once

// The two interrupt controllers of the PC/AT: 16 lines become one INTR and a vector.
//
//     lines 8..15 -> slave --INT--> IR2 of the master
//     lines 0, 1, 3..7 -----------> IR0, IR1, IR3..7 of the master --INT--> intr_output
//
// Requests are latched (edge) or follow the line (level: LTIM, or a bit of the edge/level
// register). What may interrupt is always computed from requests, masks and what is in service;
// nothing else is remembered, so every order of commands a driver can think of leads to a defined
// answer.

#include <array>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/irq.h"

namespace doppel::devices {

/// One 8259A. The pair connects two.
/// @source  Intel 8259A data sheet, "Programming the 8259A"
class Pic8259 {
 public:
  /// `elcr_allowed`: lines that the edge/level register may switch.
  explicit Pic8259(u8 elcr_allowed) : elcr_allowed_(elcr_allowed) {}

  void reset();
  void set_input(unsigned input, bool level);
  /// The INT pin.
  bool output() const { return highest_request() != kNone; }

  /// First INTA pulse: what is acknowledged (its number), or kNone: spurious.
  unsigned acknowledge();
  /// Second INTA pulse: the vector for a number of this chip.
  u8 vector(unsigned input) const { return static_cast<u8>(vector_base_ | input); }
  /// This number is answered by a slave.
  bool is_cascaded(unsigned input) const { return !single_ && ((slaves_ >> input) & 1) != 0; }

  /// A0 = 0: ICW1, OCW2, OCW3 and their reads; A0 = 1: ICW2..4, OCW1.
  u8 read(unsigned a0);
  void write(unsigned a0, u8 value);

  u8 elcr() const { return elcr_; }
  void set_elcr(u8 value) { elcr_ = value & elcr_allowed_; }

  void serialize(Archive& archive);

  /// What a monitor tells of the chip.
  struct View {
    u8 requests = 0;
    u8 in_service = 0;
    u8 mask = 0;
    u8 vector_base = 0;
    u8 elcr = 0;
    u8 lowest = 0;
    bool auto_eoi = false;
    bool special_fully_nested = false;
    bool special_mask = false;
  };
  View view() const {
    return {requests(), in_service_, mask_,     vector_base_,          elcr_,
            lowest_,    auto_eoi_,   special_fully_nested_, special_mask_};
  }

  static constexpr unsigned kNone = 8;

 private:
  enum class Expect : u8 { Command, Icw2, Icw3, Icw4 };

  u8 level_mask() const { return level_triggered_ ? u8{0xff} : elcr_; }
  u8 requests() const;
  unsigned highest_request() const;
  unsigned highest_of(u8 bits) const;
  void write_icw1(u8 value);
  void write_ocw2(u8 value);
  void write_ocw3(u8 value);
  void end_of_interrupt(unsigned input, bool rotate);

  u8 elcr_allowed_;
  u8 lines_ = 0;    // As the wires are.
  u8 latched_ = 0;  // Rising edges not yet acknowledged.
  u8 in_service_ = 0;
  u8 mask_ = 0xff;
  u8 elcr_ = 0;
  u8 vector_base_ = 0;
  u8 slaves_ = 0;  // ICW3 of a master.
  u8 lowest_ = 7;  // The input with the lowest priority; the one after it has the highest.
  Expect expect_ = Expect::Command;
  bool needs_icw4_ = false;
  bool single_ = false;
  bool level_triggered_ = false;
  bool auto_eoi_ = false;
  bool rotate_on_auto_eoi_ = false;
  bool special_fully_nested_ = false;
  bool special_mask_ = false;
  bool poll_ = false;
  bool read_in_service_ = false;
};

class Pic8259Pair final : public Device {
 public:
  /// `intr_output` follows the master's INT pin.
  explicit Pic8259Pair(IrqLine& intr_output);

  /// Input 0..15. Input 2 is taken by the slave: a chip wired to it is not heard.
  IrqLine& line(unsigned irq) { return lines_[irq]; }
  /// The INTA cycle: a vector, of line 7 or 15 if the request went away.
  u8 acknowledge();
  bool output() const { return master_.output(); }
  const Pic8259& master() const { return master_; }
  const Pic8259& slave() const { return slave_; }

  /// Ports 20h-21h, A0h-A1h, 4D0h-4D1h.
  mmu::IoHandler& master_ports() { return master_ports_; }
  mmu::IoHandler& slave_ports() { return slave_ports_; }
  mmu::IoHandler& elcr_ports() { return elcr_ports_; }

  std::string_view name() const override { return "pic"; }
  void reset() override;
  void serialize(Archive& archive) override;

 private:
  class Line final : public IrqLine {
   public:
    void connect(Pic8259Pair& pair, unsigned irq) {
      pair_ = &pair;
      irq_ = irq;
    }
    void set(bool level) override { pair_->set_line(irq_, level); }

   private:
    Pic8259Pair* pair_ = nullptr;
    unsigned irq_ = 0;
  };

  void set_line(unsigned irq, bool level);
  void update();
  u8 read_master(unsigned offset);
  void write_master(unsigned offset, u8 value);
  u8 read_slave(unsigned offset);
  void write_slave(unsigned offset, u8 value);
  u8 read_elcr(unsigned offset);
  void write_elcr(unsigned offset, u8 value);

  IrqLine& intr_output_;
  Pic8259 master_;
  Pic8259 slave_;
  std::array<Line, 16> lines_;
  BytePorts<Pic8259Pair> master_ports_;
  BytePorts<Pic8259Pair> slave_ports_;
  BytePorts<Pic8259Pair> elcr_ports_;
};

}  // namespace doppel::devices
