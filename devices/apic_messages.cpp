#include "devices/apic_messages.h"

#include <array>

#include "cpu/base/bits.h"

namespace doppel::devices {

namespace {

constexpr u64 kFirst = 0xfee0'0000;
constexpr u64 kSize = 0x10'0000;
constexpr u32 kEverybody = 0xff;

constexpr unsigned kAddressLogical = 2;
constexpr unsigned kDataLevel = 15;

}  // namespace

/// Simplified: the redirection hint changes nothing, since lowest priority is a delivery mode too;
/// a level-triggered message is a new request, whether it says asserted or not.
void ApicMessages::message(u64 address, u32 data) {
  if (address < kFirst || address - kFirst >= kSize) {
    std::array<u8, 4> bytes{};
    for (unsigned i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<u8>(data >> (8 * i));
    memory_.write_bytes(PhysAddr(address), bytes);
    return;
  }
  ApicMessage message{.mode = static_cast<DeliveryMode>(bit_field(data, 10, 8)),
                      .vector = static_cast<u8>(data),
                      .level_triggered = bit(data, kDataLevel),
                      .logical = bit(address, kAddressLogical),
                      .destination = static_cast<u32>(bit_field(address, 19, 12))};
  if (!message.logical && message.destination == kEverybody)
    message.destination = ApicMessage::kBroadcast;
  // A store cannot pass the 8259's vector on, and startup is for processors to send.
  if (message.mode == DeliveryMode::ExtInt || message.mode == DeliveryMode::Startup) return;
  bus_.send(message);
}

}  // namespace doppel::devices
