#pragma once

// What a person may see of a board's chips: a copy that nobody can change anything through.

#include <array>
#include <string>
#include <vector>

#include "cpu/base/types.h"
#include "devices/ioapic.h"
#include "devices/pic_8259.h"

namespace doppel::devices {

struct BoardView {
  struct IoApicPin {
    u64 entry = 0;
    bool asserted = false;
  };
  struct Lapic {
    u32 id = 0;
    bool hardware_enabled = false;
    bool x2apic = false;
    u64 base = 0;
    /// The 16-byte slots of its page: register `offset` is number offset / 16.
    std::array<u32, 64> registers{};
  };
  struct PciPlace {
    unsigned slot = 0;
    unsigned function = 0;
    std::string name;
    std::array<u8, 256> config{};
    std::array<u64, 7> bar_sizes{};  ///< The last one is the expansion ROM's.
  };
  struct Range {
    u64 first = 0;
    u64 size = 0;
    std::string name;  ///< Of the chip, where the range is all of it.
  };

  Pic8259::View master;
  Pic8259::View slave;
  u8 ioapic_id = 0;
  std::array<IoApicPin, IoApic::kPins> ioapic{};
  std::vector<Lapic> lapics;
  std::vector<PciPlace> pci;
  std::vector<std::string> chips;
  std::vector<Range> ports;
  std::vector<Range> memory;
};

}  // namespace doppel::devices
