#include "devices/pic_8259.h"

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

// ICW1 and the bits that tell it and OCW3 from OCW2.
constexpr u8 kIcw1 = 0x10;
constexpr u8 kIcw1Ic4 = 0x01;
constexpr u8 kIcw1Single = 0x02;
constexpr u8 kIcw1Level = 0x08;
constexpr u8 kOcw3 = 0x08;
// ICW4.
constexpr u8 kIcw4AutoEoi = 0x02;
constexpr u8 kIcw4SpecialFullyNested = 0x10;
// OCW2.
constexpr u8 kOcw2Rotate = 0x80;
constexpr u8 kOcw2Specific = 0x40;
constexpr u8 kOcw2Eoi = 0x20;
// OCW3.
constexpr u8 kOcw3EnableSpecialMask = 0x40;
constexpr u8 kOcw3SpecialMask = 0x20;
constexpr u8 kOcw3Poll = 0x04;
constexpr u8 kOcw3ReadRegister = 0x02;
constexpr u8 kOcw3InService = 0x01;

constexpr unsigned kCascade = 2;
// The timer, the keyboard and the cascade of the master; the RTC and the FPU of the slave: always
// edge.
constexpr u8 kElcrMaster = 0xf8;
constexpr u8 kElcrSlave = 0xde;

}  // namespace

void Pic8259::reset() {
  // The chip has no reset pin; until its first ICW1 it shall be quiet.
  latched_ = 0;
  in_service_ = 0;
  mask_ = 0xff;
  elcr_ = 0;
  vector_base_ = 0;
  slaves_ = 0;
  lowest_ = 7;
  expect_ = Expect::Command;
  needs_icw4_ = single_ = level_triggered_ = false;
  auto_eoi_ = rotate_on_auto_eoi_ = special_fully_nested_ = special_mask_ = false;
  poll_ = read_in_service_ = false;
}

void Pic8259::set_input(unsigned input, bool level) {
  const u8 line = static_cast<u8>(1u << input);
  if (level && (lines_ & line) == 0) latched_ |= line;
  // Simplified: an edge stays latched when its line falls before the acknowledge; the chip would
  // answer with a spurious IR7 then. Edges of short pulses are kept this way.
  lines_ = static_cast<u8>(level ? lines_ | line : lines_ & ~line);
}

u8 Pic8259::requests() const {
  const u8 level = level_mask();
  return static_cast<u8>((lines_ & level) | (latched_ & ~level));
}

unsigned Pic8259::highest_of(u8 bits) const {
  for (unsigned i = 1; i <= 8; ++i) {
    const unsigned input = (lowest_ + i) & 7;
    if (bit(bits, input)) return input;
  }
  return kNone;
}

unsigned Pic8259::highest_request() const {
  if (expect_ != Expect::Command) return kNone;
  const u8 candidates = requests() & static_cast<u8>(~mask_);
  // In special mask mode a level that is masked while in service blocks nobody.
  const u8 blocking = special_mask_ ? in_service_ & static_cast<u8>(~mask_) : in_service_;
  for (unsigned i = 1; i <= 8; ++i) {
    const unsigned input = (lowest_ + i) & 7;
    if (bit(blocking, input)) {
      // A slave in service may be interrupted by a higher level of the same slave.
      if (special_fully_nested_ && is_cascaded(input) && bit(candidates, input)) return input;
      return kNone;
    }
    if (bit(candidates, input)) return input;
  }
  return kNone;
}

unsigned Pic8259::acknowledge() {
  const unsigned input = highest_request();
  if (input == kNone) return kNone;
  const u8 line = static_cast<u8>(1u << input);
  latched_ &= static_cast<u8>(~line);
  if (!auto_eoi_) {
    in_service_ |= line;
  } else if (rotate_on_auto_eoi_) {
    lowest_ = static_cast<u8>(input);
  }
  return input;
}

u8 Pic8259::read(unsigned a0) {
  if (poll_) {
    // The read is the acknowledge.
    poll_ = false;
    const unsigned input = acknowledge();
    return input == kNone ? u8{7} : static_cast<u8>(0x80 | input);
  }
  if (a0 != 0) return mask_;
  return read_in_service_ ? in_service_ : requests();
}

void Pic8259::write(unsigned a0, u8 value) {
  if (a0 == 0) {
    if (value & kIcw1) {
      write_icw1(value);
    } else if (value & kOcw3) {
      write_ocw3(value);
    } else {
      write_ocw2(value);
    }
    return;
  }
  switch (expect_) {
    case Expect::Command:
      mask_ = value;
      return;
    case Expect::Icw2:
      vector_base_ = value & 0xf8;
      if (!single_) {
        expect_ = Expect::Icw3;
      } else {
        expect_ = needs_icw4_ ? Expect::Icw4 : Expect::Command;
      }
      return;
    case Expect::Icw3:
      // Simplified: a slave does not compare its number (ICW3 bits 2..0); the wires are fixed.
      slaves_ = value;
      expect_ = needs_icw4_ ? Expect::Icw4 : Expect::Command;
      return;
    case Expect::Icw4:
      // Simplified: the 8080 mode (bit 0 clear) answers with the same vector; buffered mode has no
      // meaning here.
      auto_eoi_ = (value & kIcw4AutoEoi) != 0;
      special_fully_nested_ = (value & kIcw4SpecialFullyNested) != 0;
      expect_ = Expect::Command;
      return;
  }
}

/// @source  8259A data sheet, "Initialization Command Words 1 and 2": what ICW1 clears
void Pic8259::write_icw1(u8 value) {
  expect_ = Expect::Icw2;
  needs_icw4_ = (value & kIcw1Ic4) != 0;
  single_ = (value & kIcw1Single) != 0;
  level_triggered_ = (value & kIcw1Level) != 0;
  latched_ = 0;
  in_service_ = 0;
  mask_ = 0;
  slaves_ = 0;
  lowest_ = 7;
  special_mask_ = false;
  poll_ = false;
  read_in_service_ = false;
  rotate_on_auto_eoi_ = false;
  auto_eoi_ = false;
  special_fully_nested_ = false;
}

void Pic8259::write_ocw2(u8 value) {
  const bool rotate = (value & kOcw2Rotate) != 0;
  const bool specific = (value & kOcw2Specific) != 0;
  const unsigned level = value & 7;
  if (value & kOcw2Eoi) {
    if (specific) {
      end_of_interrupt(level, rotate);
    } else {
      const u8 mine = special_mask_ ? in_service_ & static_cast<u8>(~mask_) : in_service_;
      end_of_interrupt(highest_of(mine), rotate);
    }
  } else if (specific) {
    // 110: set priority; 010: no operation.
    if (rotate) lowest_ = static_cast<u8>(level);
  } else {
    rotate_on_auto_eoi_ = rotate;
  }
}

void Pic8259::end_of_interrupt(unsigned input, bool rotate) {
  if (input == kNone) return;
  in_service_ &= static_cast<u8>(~(1u << input));
  if (rotate) lowest_ = static_cast<u8>(input);
}

void Pic8259::write_ocw3(u8 value) {
  if (value & kOcw3EnableSpecialMask) special_mask_ = (value & kOcw3SpecialMask) != 0;
  if (value & kOcw3Poll) poll_ = true;
  if (value & kOcw3ReadRegister) read_in_service_ = (value & kOcw3InService) != 0;
}

void Pic8259::serialize(Archive& archive) {
  archive(lines_, latched_, in_service_, mask_, elcr_, vector_base_, slaves_, lowest_, expect_,
          needs_icw4_, single_, level_triggered_, auto_eoi_, rotate_on_auto_eoi_,
          special_fully_nested_, special_mask_, poll_, read_in_service_);
  if (lowest_ > 7 || expect_ > Expect::Icw4) archive.fail("an 8259 state does not exist");
  lowest_ &= 7;
}

Pic8259Pair::Pic8259Pair(IrqLine& intr_output)
    : intr_output_(intr_output),
      master_(kElcrMaster),
      slave_(kElcrSlave),
      master_ports_(*this, &Pic8259Pair::read_master, &Pic8259Pair::write_master),
      slave_ports_(*this, &Pic8259Pair::read_slave, &Pic8259Pair::write_slave),
      elcr_ports_(*this, &Pic8259Pair::read_elcr, &Pic8259Pair::write_elcr) {
  for (unsigned irq = 0; irq < lines_.size(); ++irq) lines_[irq].connect(*this, irq);
}

void Pic8259Pair::reset() {
  master_.reset();
  slave_.reset();
  update();
}

void Pic8259Pair::set_line(unsigned irq, bool level) {
  if (irq == kCascade) return;
  if (irq < 8) {
    master_.set_input(irq, level);
  } else {
    slave_.set_input(irq - 8, level);
  }
  update();
}

void Pic8259Pair::update() {
  master_.set_input(kCascade, slave_.output());
  intr_output_.set(master_.output());
}

u8 Pic8259Pair::acknowledge() {
  const unsigned input = master_.acknowledge();
  u8 vector = master_.vector(input == Pic8259::kNone ? 7 : input);
  if (input != Pic8259::kNone && master_.is_cascaded(input)) {
    // The slave lets go of INT before it may ask again: its next request is a new edge for the
    // master.
    master_.set_input(kCascade, false);
    if (input == kCascade) {
      const unsigned slave_input = slave_.acknowledge();
      vector = slave_.vector(slave_input == Pic8259::kNone ? 7 : slave_input);
    } else {
      // A guest named a slave where none is: nobody drives the bus.
      vector = 0xff;
    }
  }
  update();
  return vector;
}

u8 Pic8259Pair::read_master(unsigned offset) {
  const u8 value = master_.read(offset & 1);
  update();  // A poll acknowledges.
  return value;
}

void Pic8259Pair::write_master(unsigned offset, u8 value) {
  master_.write(offset & 1, value);
  update();
}

u8 Pic8259Pair::read_slave(unsigned offset) {
  const u8 value = slave_.read(offset & 1);
  update();
  return value;
}

void Pic8259Pair::write_slave(unsigned offset, u8 value) {
  slave_.write(offset & 1, value);
  update();
}

u8 Pic8259Pair::read_elcr(unsigned offset) { return offset == 0 ? master_.elcr() : slave_.elcr(); }

void Pic8259Pair::write_elcr(unsigned offset, u8 value) {
  if (offset == 0) {
    master_.set_elcr(value);
  } else {
    slave_.set_elcr(value);
  }
  update();
}

void Pic8259Pair::serialize(Archive& archive) {
  archive(master_, slave_);
  if (archive.is_loading()) intr_output_.set(master_.output());
}

}  // namespace doppel::devices
