#pragma once

// An e1000 with rings in memory and a wire that remembers, and a driver's habits.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "devices/e1000.h"
#include "devices/e1000_registers.h"
#include "devices/ethernet.h"
#include "devices/internet_checksum.h"
#include "mmu/machine_memory.h"
#include "mmu/physical_memory.h"
#include "mmu/pmap.h"
#include "tests/support/device_rig.h"

namespace doppel::test {

using Bytes = std::vector<u8>;

struct RecordingLink final : devices::NetworkLink {
  std::vector<Bytes> frames;
  void transmit(std::span<const u8> frame) override { frames.emplace_back(frame.begin(), frame.end()); }
};

inline constexpr devices::MacAddress kCardMac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

/// A card in its slot, enabled as firmware does it, with the link up.
struct E1000Rig {
  static constexpr u64 kRam = u64{4} << 20;
  static constexpr u64 kWindow = 0xfeb0'0000;
  static constexpr u16 kPorts = 0xc000;
  static constexpr u64 kTransmitRing = 0x1'0000;
  static constexpr u64 kReceiveRing = 0x2'0000;
  static constexpr u32 kRingSize = 16;
  static constexpr u64 kTransmitData = 0x10'0000;
  static constexpr u64 kReceiveData = 0x20'0000;
  static constexpr u32 kBufferBytes = 2048;

  Clock clock;
  Wire irq;
  RecordingLink link;
  mmu::MachineMemory pool = mmu::MachineMemory::create(2 * kRam).take();
  mmu::Pmap pmap{pool, 2 * kRam / kPageSize};
  mmu::IoMap mmio;
  mmu::IoMap ports;
  mmu::PhysicalMemory memory{pmap, mmio};
  devices::E1000 card;

  explicit E1000Rig(bool has_cable = true)
      : card({"nic0", kCardMac, has_cable ? &link : nullptr, {}}, memory, ports, clock.scheduler, irq) {
    REQUIRE(pmap.add_ram(PhysAddr(0), kRam));
    card.reset();
    card.write_config(0x10, 4, kWindow);
    card.write_config(0x18, 4, kPorts);
    card.write_config(0x04, 2, 0x0007);
    clock.run_for(100'000'000);
    (void)get(devices::e1000::kIcr);
  }

  u32 get(u32 offset) { return static_cast<u32>(memory.read(PhysAddr(kWindow + offset), Width::Dword)); }
  void set(u32 offset, u32 value) { memory.write(PhysAddr(kWindow + offset), Width::Dword, value); }

  void start_transmitter() {
    set(devices::e1000::kTdbal, kTransmitRing);
    set(devices::e1000::kTdlen, kRingSize * 16);
    set(devices::e1000::kTctl, devices::e1000::tctl::EN);
  }
  /// All descriptors but one belong to the card.
  void start_receiver(u32 rctl = devices::e1000::rctl::BAM) {
    for (u32 i = 0; i < kRingSize; ++i) put_buffer(i);
    set(devices::e1000::kRdbal, kReceiveRing);
    set(devices::e1000::kRdlen, kRingSize * 16);
    set(devices::e1000::kRdh, 0);
    set(devices::e1000::kRctl, rctl | devices::e1000::rctl::EN);
    set(devices::e1000::kRdt, kRingSize - 1);
  }
  void put_buffer(u32 index) {
    const u64 at = kReceiveRing + index * 16;
    memory.write(PhysAddr(at), Width::Qword, kReceiveData + index * kBufferBytes);
    memory.write(PhysAddr(at + 8), Width::Qword, 0);
  }

  /// Puts a descriptor at the tail, without telling the card.
  void queue(u64 low, u64 high) {
    const u64 at = kTransmitRing + tail * 16;
    memory.write(PhysAddr(at), Width::Qword, low);
    memory.write(PhysAddr(at + 8), Width::Qword, high);
    tail = (tail + 1) % kRingSize;
  }
  void kick() { set(devices::e1000::kTdt, tail); }
  u32 tail = 0;

  /// Where the next data goes.
  u64 put_data(const Bytes& bytes) {
    const u64 at = next_data;
    memory.write_bytes(PhysAddr(at), bytes);
    next_data += bytes.size();
    return at;
  }
  u64 next_data = kTransmitData;

  u8 transmit_status(u32 index) { return memory.read<u8>(PhysAddr(kTransmitRing + index * 16 + 12)); }
  struct Received {
    u16 length;
    u8 status;
    u8 errors;
    u16 special;
    Bytes bytes;
  };
  Received received(u32 index) {
    const PhysAddr at(kReceiveRing + index * 16);
    Received result{memory.read<u16>(at + 8), memory.read<u8>(at + 12), memory.read<u8>(at + 13),
                    memory.read<u16>(at + 14), {}};
    result.bytes.resize(result.length);
    memory.read_bytes(PhysAddr(kReceiveData + index * kBufferBytes), result.bytes);
    return result;
  }
};

/// A frame of this size with the given destination, and a pattern behind its header.
inline Bytes make_frame(const devices::MacAddress& to, size_t size, u16 type = 0x88b5) {
  Bytes frame(size);
  std::copy(to.begin(), to.end(), frame.begin());
  frame[6] = 0x02;
  frame[11] = 0x01;
  devices::store_be16(frame.data() + 12, type);
  for (size_t i = 14; i < size; ++i) frame[i] = static_cast<u8>(i * 7);
  return frame;
}

/// A TCP segment over IPv4 with right checksums.
inline Bytes make_tcp_frame(size_t data_bytes) {
  Bytes frame = make_frame(kCardMac, 54 + data_bytes, devices::ethernet::kTypeIpv4);
  u8* const ip = frame.data() + 14;
  u8* const tcp = ip + 20;
  std::fill(ip, tcp + 20, u8{0});
  ip[0] = 0x45;
  devices::store_be16(ip + 2, static_cast<u16>(40 + data_bytes));
  devices::store_be16(ip + 4, 0x1234);
  ip[8] = 64;
  ip[9] = 6;
  devices::store_be32(ip + 12, 0x0a00'0202);
  devices::store_be32(ip + 16, 0x0a00'020f);
  devices::store_be16(tcp, 80);
  devices::store_be16(tcp + 2, 4000);
  devices::store_be32(tcp + 4, 0x0100'0000);
  tcp[12] = 0x50;
  tcp[13] = 0x19;  // FIN, PSH, ACK
  const auto sum = [](std::span<const u8> bytes) { return devices::add_to_sum(0, bytes); };
  devices::store_be16(ip + 10, static_cast<u16>(~devices::fold_sum(sum({ip, 20}))));
  const u64 pseudo = sum({ip + 12, 8}) + 6 + 20 + data_bytes;
  const u64 whole = pseudo + sum({tcp, 20 + data_bytes});
  devices::store_be16(tcp + 16, static_cast<u16>(~devices::fold_sum(whole)));
  return frame;
}

}  // namespace doppel::test
