#include "devices/ioapic.h"

#include <utility>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

// The window.
constexpr u64 kSelect = 0x00;
constexpr u64 kData = 0x10;
constexpr u64 kEoi = 0x40;

// Indirect registers.
constexpr u8 kId = 0x00;
constexpr u8 kVersionRegister = 0x01;
constexpr u8 kArbitration = 0x02;
constexpr u8 kFirstEntry = 0x10;

// A redirection entry.
constexpr u64 kLogical = 1u << 11;
constexpr u64 kDeliveryStatus = 1u << 12;
constexpr u64 kRemoteIrr = 1u << 14;
constexpr u64 kLevel = 1u << 15;
constexpr u64 kMasked = 1u << 16;
constexpr u64 kWritable = 0xff00'0000'0001'afff;

constexpr u8 vector_of(u64 entry) { return static_cast<u8>(entry); }

}  // namespace

IoApic::IoApic(ApicBus& bus, std::function<u8()> acknowledge_pic)
    : bus_(bus), acknowledge_pic_(std::move(acknowledge_pic)) {
  for (unsigned i = 0; i < kPins; ++i) {
    pins_[i].chip = this;
    pins_[i].index = i;
  }
  bus.attach(*this);
  entries_.fill(kMasked);
}

void IoApic::set_pin(unsigned index, bool level) {
  const u32 bit = 1u << index;
  const bool rises = level && (asserted_ & bit) == 0;
  asserted_ = level ? asserted_ | bit : asserted_ & ~bit;
  if (!rises) return;
  const u64 entry = entries_[index];
  if ((entry & kLevel) != 0) {
    deliver_if_level(index);
  } else if ((entry & kMasked) == 0) {
    // An edge into a masked pin is lost, as the data sheet says.
    deliver(index);
  }
}

/// Sends again what is asserted, not masked and not being served.
void IoApic::deliver_if_level(unsigned index) {
  const u64 entry = entries_[index];
  const bool waits = (entry & kLevel) != 0 && (entry & (kMasked | kRemoteIrr)) == 0;
  if (waits && bit(asserted_, index)) deliver(index);
}

void IoApic::deliver(unsigned index) {
  u64& entry = entries_[index];
  const u8 destination = static_cast<u8>(entry >> 56);
  ApicMessage message{.mode = static_cast<DeliveryMode>(bit_field(entry, 10, 8)),
                      .vector = vector_of(entry),
                      .level_triggered = (entry & kLevel) != 0,
                      .logical = (entry & kLogical) != 0,
                      .destination = destination};
  if (!message.logical && destination == 0xff) message.destination = ApicMessage::kBroadcast;
  switch (message.mode) {
    case DeliveryMode::Fixed:
    case DeliveryMode::LowestPriority:
      break;
    case DeliveryMode::ExtInt:
      message.mode = DeliveryMode::Fixed;
      message.vector = acknowledge_pic_();
      message.level_triggered = false;
      break;
    default:  // NMI, INIT and SMI are edges, whatever the entry says.
      message.level_triggered = false;
      break;
  }
  const bool taken = bus_.send(message);
  if (taken && message.level_triggered) entry |= kRemoteIrr;
}

void IoApic::end_of_interrupt(u8 vector) {
  for (unsigned i = 0; i < kPins; ++i) {
    u64& entry = entries_[i];
    if ((entry & kRemoteIrr) == 0 || vector_of(entry) != vector) continue;
    entry &= ~kRemoteIrr;
    deliver_if_level(i);
  }
}

u32 IoApic::read_indirect() const {
  switch (select_) {
    case kId:
      return u32{id_} << 24;
    case kVersionRegister:
      return (kPins - 1) << 16 | kVersion;
    case kArbitration:
      return u32{id_} << 24;
    default:
      break;
  }
  const unsigned index = (select_ - kFirstEntry) / 2u;
  if (select_ < kFirstEntry || index >= kPins) return 0;
  return static_cast<u32>(entries_[index] >> ((select_ & 1) != 0 ? 32 : 0));
}

void IoApic::write_indirect(u32 value) {
  if (select_ == kId) {
    id_ = static_cast<u8>((value >> 24) & 0xf);
    return;
  }
  const unsigned index = (select_ - kFirstEntry) / 2u;
  if (select_ < kFirstEntry || index >= kPins) return;
  u64& entry = entries_[index];
  const u64 half = (select_ & 1) != 0 ? 0xffff'ffff'0000'0000 : 0xffff'ffff;
  const u64 changed = kWritable & half;
  entry = (entry & ~changed) | ((u64{value} << 32 | value) & changed);
  // Without a level there is nothing in service remotely; software uses this to clear remote IRR.
  if ((entry & kLevel) == 0) entry &= ~kRemoteIrr;
  deliver_if_level(index);
}

u64 IoApic::read(u64 offset, Width width) {
  const u64 start = offset & ~u64{3};
  u32 value = 0;
  if (start == kSelect) value = select_;
  if (start == kData) value = read_indirect();
  return (value >> (8 * (offset & 3))) & all_ones(width);
}

void IoApic::write(u64 offset, Width width, u64 value) {
  switch (offset) {
    case kSelect:
      select_ = static_cast<u8>(value);
      break;
    case kData:
      if (bytes(width) >= 4) write_indirect(static_cast<u32>(value));
      break;
    case kEoi:
      end_of_interrupt(static_cast<u8>(value));
      break;
    default:
      break;
  }
}

void IoApic::reset() {
  // The pins keep their levels: they belong to whoever drives them.
  select_ = 0;
  id_ = 0;
  entries_.fill(kMasked);
}

void IoApic::serialize(Archive& archive) {
  archive(select_, id_, asserted_, entries_);
  for (u64& entry : entries_) entry &= kWritable | kRemoteIrr | kDeliveryStatus;
}

}  // namespace doppel::devices
