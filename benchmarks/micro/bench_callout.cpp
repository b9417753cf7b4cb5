// What an instruction costs that the monitor does: sensitive ones, and those that leave their
// block. `nop` stands for the loop itself.

#include <memory>
#include <string>
#include <vector>

#include "benchmarks/micro/bench_machine.h"
#include "benchmarks/micro/results.h"

namespace doppel::bench {
namespace {

struct Row {
  const char* name;
  std::vector<u8>
      bytes;  ///< One round: what the name says, and nothing else where that is possible.
};

// RSI points at memory, ECX is 0xc0000102 (KERNEL_GS_BASE) where an MSR is named.
const Row kRows[] = {
    {"nop", {0x90}},
    {"cli", {0xfa}},
    {"sti", {0xfb}},
    {"pushf_popf", {0x9c, 0x9d}},
    {"cpuid", {0x31, 0xc0, 0x0f, 0xa2}},  // xor eax, eax first
    {"rdtsc", {0x0f, 0x31}},
    {"mov_from_cr0", {0x0f, 0x20, 0xc0}},
    {"mov_from_cr2", {0x0f, 0x20, 0xd0}},
    {"clts", {0x0f, 0x06}},
    {"in_port", {0xe4, 0x61}},
    {"out_port", {0xe6, 0x61}},
    {"rdmsr", {0x0f, 0x32}},
    {"mov_to_ds", {0x8e, 0xda}},  // mov ds, edx
    {"mov_from_ds", {0x8c, 0xd8}},
    {"swapgs", {0x0f, 0x01, 0xf8}},
    {"sgdt", {0x0f, 0x01, 0x06}},
    {"push_fs_pop_fs", {0x0f, 0xa0, 0x0f, 0xa1}},
    {"fxsave", {0x0f, 0xae, 0x06}},
    {"fninit", {0xdb, 0xe3}},
    {"rep_movsb_64", {0xb9, 64, 0, 0, 0, 0xf3, 0xa4}},  // mov ecx, 64 first
};

}  // namespace

void bench_callout(Results& results) {
  if (!results.wants("callout/")) return;
  constexpr unsigned kUnrolled = 8;
  constexpr u32 kRounds = 32768;
  const auto machine = std::make_unique<BenchMachine>(results.engine());
  u64 place = BenchMachine::kCode;
  for (const Row& row : kRows) {
    Code code(place);
    code.mov_ebp(kRounds);
    const u64 again = code.here();
    code.mov_rsi(BenchMachine::kData).mov_rdi(BenchMachine::kData + 0x10000);
    code.mov_ecx(0xc000'0102).mov_edx(0x10);
    for (unsigned i = 0; i < kUnrolled; ++i) {
      for (const u8 byte : row.bytes) code.put({byte});
    }
    code.loop_ebp(again).hlt();
    machine->write(code);
    place += 0x1000;
    results.add(std::string("callout/") + row.name + "/ns_each",
                [&] { return machine->run(code.origin()) / (double{kRounds} * kUnrolled); });
  }
}

}  // namespace doppel::bench
