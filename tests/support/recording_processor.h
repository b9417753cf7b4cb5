#pragma once

#include <vector>

#include "devices/irq.h"

namespace doppel::test {

/// A processor that only remembers what its pins were told.
struct RecordingProcessor final : devices::ProcessorLines {
  bool intr = false;
  unsigned nmis = 0;
  unsigned inits = 0;
  std::vector<u8> startups;
  void set_intr(bool level) override { intr = level; }
  void raise_nmi() override { ++nmis; }
  void raise_init() override { ++inits; }
  void raise_startup(u8 vector) override { startups.push_back(vector); }
};

}  // namespace doppel::test
