// What it costs to get from block to block, and what changed code costs.

#include <memory>
#include <string>

#include "benchmarks/micro/bench_machine.h"
#include "benchmarks/micro/results.h"

namespace doppel::bench {
namespace {

constexpr u32 kRounds = 65536;

/// 8 jumps to the instruction after them.
void put_jumps(Code& code) {
  for (unsigned i = 0; i < 8; ++i) code.jmp(code.here() + 5);
}

/// 8 jumps, each on a page of its own: the last one comes back.
void put_far_jumps(Code& code) {
  for (unsigned i = 0; i < 8; ++i) {
    code.jmp(code.here() + 5 + kPageSize);
    code.skip(kPageSize);
  }
}

/// 8 calls of a function that only returns.
void put_calls(Code& code) {
  code.jmp(code.here() + 5 + 1);
  const u64 function = code.here();
  code.put({0xc3});
  for (unsigned i = 0; i < 8; ++i) code.call(function);
}

/// 8 calls through a register, always of the same function.
void put_indirect_calls(Code& code) {
  code.jmp(code.here() + 5 + 1);
  const u64 function = code.here();
  code.put({0xc3});
  code.mov_ebx(static_cast<u32>(function));
  for (unsigned i = 0; i < 8; ++i) code.put({0xff, 0xd3});  // call rbx
}

/// One indirect jump, each time to another of 8 places that jump back to it, then to the end: what
/// a switch in a loop does.
void put_dispatch(Code& code) {
  constexpr u8 kArm = 8;
  code.put({0x31, 0xdb});  // xor ebx, ebx
  const u64 dispatch = code.here();
  // lea rdi, [rip + arms]; lea rdi, [rdi + rbx * 8]; inc ebx; jmp rdi
  code.put({0x48, 0x8d, 0x3d}).put32(4 + 2 + 2);
  code.put({0x48, 0x8d, 0x3c, 0xdf, 0xff, 0xc3, 0xff, 0xe7});
  for (unsigned i = 0; i < 8; ++i) {
    const u64 arm = code.here();
    code.jmp(dispatch).skip(arm + kArm - code.here());
  }
}

/// 8 conditional jumps on the bits of a counter, over a NOP or not.
void put_alternating(Code& code) {
  for (unsigned i = 0; i < 8; ++i) {
    code.put({0xf7, 0xc5}).put32(1u << i);  // test ebp, 1 << i
    code.put({0x74, 0x01, 0x90});           // jz over a nop
  }
}

struct Shape {
  const char* name;
  void (*put)(Code&);
};
constexpr Shape kShapes[] = {
    {"jump", put_jumps},
    {"jump_across_pages", put_far_jumps},
    {"conditional", put_alternating},
    {"call_return", put_calls},
    {"indirect_call_return", put_indirect_calls},
    {"dispatch_of_8", put_dispatch},
};

/// Writes the immediate of an instruction and runs it, as a patched call site would be.
Code patcher(u64 place, u64 target, u32 rounds) {
  Code code(place);
  code.mov_rdi(target).mov_ebp(rounds);
  const u64 again = code.here();
  code.put({0x89, 0x6f, 0x01});  // mov [rdi + 1], ebp
  code.call(target);
  return code.loop_ebp(again).hlt();
}

/// Writes next to code that it runs, 128 bytes behind it: data beside code.
Code neighbour(u64 place, u64 target, u32 rounds) {
  Code code(place);
  code.mov_rdi(target + 128).mov_ebp(rounds);
  const u64 again = code.here();
  code.put({0x89, 0x2f});  // mov [rdi], ebp
  code.call(target);
  return code.loop_ebp(again).hlt();
}

}  // namespace

void bench_control(Results& results) {
  if (!results.wants("control/")) return;
  const auto machine = std::make_unique<BenchMachine>(results.engine());
  u64 place = BenchMachine::kCode;
  const auto add = [&](const std::string& name, const Code& code, double count) {
    machine->write(code);
    place += 0x20000;
    results.add("control/" + name, [&] { return machine->run(code.origin()) / count; });
  };
  for (const Shape& shape : kShapes) {
    Code code(place);
    code.mov_ebp(kRounds);
    const u64 again = code.here();
    shape.put(code);
    code.loop_ebp(again).hlt();
    add(shape.name + std::string("/ns_each"), code, 8.0 * kRounds);
  }

  constexpr u32 kChanges = 10000;
  const u64 target = place;
  machine->write(Code(target).mov_eax(0).put({0xc3}));
  place += 0x1000;
  add("patch_and_run/ns_each", patcher(place, target, kChanges), kChanges);
  add("store_beside_code/ns_each", neighbour(place, target, kChanges), kChanges);
}

}  // namespace doppel::bench
