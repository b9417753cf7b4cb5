// What an access costs: where the shadow TLB has it, where it has not, after the address space
// changed, and where two pages ask for one slot.

#include <memory>
#include <string>

#include "benchmarks/micro/bench_machine.h"
#include "benchmarks/micro/results.h"

namespace doppel::bench {
namespace {

constexpr unsigned kUnrolled = 16;
constexpr u32 kRounds = 65536;
constexpr u64 kSmall = BenchMachine::kSmallPages;

double run_once(BenchMachine& machine, const Code& code) { return machine.run(code.origin()); }

/// `body` puts `kUnrolled` accesses; the loop around them is part of the figure.
template <class Put>
void add_loop(Results& results, BenchMachine& machine, u64& place, const char* name, Put body) {
  Code code(place);
  code.mov_rsi(kSmall).mov_rdi(kSmall).mov_ebp(kRounds);
  const u64 again = code.here();
  for (unsigned i = 0; i < kUnrolled; ++i) body(code, i);
  code.loop_ebp(again).hlt();
  machine.write(code);
  place += 0x10000;
  results.add(name, [&] { return run_once(machine, code) / (double{kRounds} * kUnrolled); });
}

/// Walks up through all small pages and begins anew: many more than any table has slots.
Code stride(u64 place, bool store) {
  constexpr u32 kGroups = BenchMachine::kSmallPageCount / kUnrolled;
  Code code(place);
  code.mov_rsi(kSmall).mov_ebp(kGroups);
  const u64 again = code.here();
  for (unsigned i = 0; i < kUnrolled; ++i) {
    code.put({static_cast<u8>(store ? 0x89 : 0x8b), 0x06});  // mov [rsi], eax or the reverse
    code.put({0x48, 0x81, 0xc6}).put32(u32{kPageSize});      // add rsi, 4096
  }
  return code.loop_ebp(again).hlt();
}

/// Changes CR3 to and fro; in each address space touches `pages` pages.
Code switches(u64 place, unsigned pages, u32 rounds) {
  Code code(place);
  code.put({0x0f, 0x20, 0xda});                                 // mov rdx, cr3
  code.put({0x41, 0xb8}).put32(u32{BenchMachine::kOtherRoot});  // mov r8d, other
  code.mov_ebp(rounds);
  const u64 again = code.here();
  for (unsigned space = 0; space < 2; ++space) {
    if (space == 0) {
      code.put({0x41, 0x0f, 0x22, 0xd8});  // mov cr3, r8
    } else {
      code.put({0x0f, 0x22, 0xda});  // mov cr3, rdx
    }
    code.mov_rsi(kSmall);
    for (unsigned i = 0; i < pages; ++i) {
      code.put({0x8b, 0x06});                              // mov eax, [rsi]
      code.put({0x48, 0x81, 0xc6}).put32(u32{kPageSize});  // add rsi, 4096
    }
  }
  return code.loop_ebp(again).hlt();
}

/// Loads in turn from two pages this far apart. The first is not at a power of two: sums of page
/// number and upper bits would carry otherwise than for most pages.
Code pair(u64 place, u64 distance_pages) {
  Code code(place);
  constexpr u64 kFirst = kSmall + 5 * kPageSize;
  code.mov_rsi(kFirst).mov_rdi(kFirst + (distance_pages << kPageShift)).mov_ebp(kRounds);
  const u64 again = code.here();
  for (unsigned i = 0; i < kUnrolled / 2; ++i) code.put({0x8b, 0x06, 0x8b, 0x1f});
  return code.loop_ebp(again).hlt();
}

}  // namespace

void bench_mmu(Results& results) {
  if (!results.wants("mmu/")) return;
  const auto machine = std::make_unique<BenchMachine>(results.engine());
  u64 place = BenchMachine::kCode;

  add_loop(results, *machine, place, "mmu/load_hit/ns_per_access", [](Code& code, unsigned) {
    code.put({0x8b, 0x06});
  });
  add_loop(results, *machine, place, "mmu/store_hit/ns_per_access", [](Code& code, unsigned) {
    code.put({0x89, 0x06});
  });
  add_loop(results, *machine, place, "mmu/load_same_base/ns_per_access",
           [](Code& code, unsigned i) {
             code.put({0x8b, 0x46, static_cast<u8>(i * 4)});
           });
  add_loop(results, *machine, place, "mmu/load_across_pages/ns_per_access",
           [](Code& code, unsigned) {
             code.put({0x8b, 0x86}).put32(0xffe);
           });
  add_loop(results, *machine, place, "mmu/locked_add/ns_per_access", [](Code& code, unsigned) {
    code.put({0xf0, 0x01, 0x06});
  });
  add_loop(results, *machine, place, "mmu/invlpg_and_load/ns_per_pair", [](Code& code, unsigned) {
    code.put({0x0f, 0x01, 0x3e, 0x8b, 0x06});
  });

  for (const bool store : {false, true}) {
    const Code code = stride(place, store);
    machine->write(code);
    place += 0x10000;
    results.add(store ? "mmu/store_miss/ns_per_access" : "mmu/load_miss/ns_per_access",
                [&] { return run_once(*machine, code) / double{BenchMachine::kSmallPageCount}; });
  }
  for (const unsigned pages : {0u, 16u, 64u}) {
    constexpr u32 kSwitchRounds = 1000;
    const Code code = switches(place, pages, kSwitchRounds);
    machine->write(code);
    place += 0x10000;
    results.add("mmu/cr3_switch_" + std::to_string(pages) + "_pages/ns_per_switch",
                [&] { return run_once(*machine, code) / (2.0 * kSwitchRounds); });
  }
  for (const u64 distance : {u64{37}, u64{4095}, u64{4096}, u64{16384}}) {
    const Code code = pair(place, distance);
    machine->write(code);
    place += 0x10000;
    results.add("mmu/pair_" + std::to_string(distance) + "_pages_apart/ns_per_access",
                [&] { return run_once(*machine, code) / (double{kRounds} * kUnrolled); });
  }
}

}  // namespace doppel::bench
