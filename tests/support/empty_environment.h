#pragma once

#include "cpu/environment.h"

namespace doppel::test {

/// A processor with nothing around it: ports that nobody answers, no chips, no time.
class EmptyEnvironment final : public cpu::Environment {
 public:
  u64 read_port(u16, Width width) override { return all_ones(width); }
  void write_port(u16, Width, u64) override {}
  u8 acknowledge_interrupt() override { return 0; }
  bool read_msr(u32, u64&) override { return false; }
  bool write_msr(u32, u64) override { return false; }
  u8 cr8() override { return 0; }
  void set_cr8(u8) override {}
  u64 tsc() override { return 0; }
  void set_tsc(u64) override {}
  u64 tsc_adjust() override { return 0; }
  void set_tsc_adjust(u64) override {}
  void wait(u64) override {}
  void set_ferr(bool) override {}
};

}  // namespace doppel::test
