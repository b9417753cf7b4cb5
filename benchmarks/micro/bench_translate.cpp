// What new code costs, all in: finding that it is new, decoding, perhaps interpreting it a few
// times, translating, linking.
//
// Many different blocks run one after the other, each ending in a jump to the next. The chain is
// run again and again: the first passes pay for translation, the last ones only execute. What the
// first 16 passes cost above 16 times the cheapest is the price of being new, whatever the engine
// does in which pass.

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "benchmarks/micro/bench_machine.h"
#include "benchmarks/micro/results.h"

namespace doppel::bench {
namespace {

constexpr unsigned kBlocks = 2048;
constexpr unsigned kPasses = 16;

enum class Body { Arithmetic, Mixed };

/// One instruction, chosen by the seed. Mixed code has a load or a store in three, as compiled
/// code.
void put_instruction(Code& code, Body body, u32 seed) {
  const unsigned choice = seed >> 28;
  if (body == Body::Mixed && choice >= 10) {
    const u32 offset = seed >> 4 & 0xff8;
    if (choice >= 14) {
      code.put({0x89, 0x86}).put32(offset);  // mov [rsi + offset], eax
    } else {
      code.put({0x8b, 0x9e}).put32(offset);  // mov ebx, [rsi + offset]
    }
    return;
  }
  switch (choice % 5) {
    case 0:
      code.put({0x05}).put32(seed);
      break;  // add eax, seed
    case 1:
      code.put({0x35}).put32(seed);
      break;  // xor eax, seed
    case 2:
      code.put({0xc1, 0xc0, static_cast<u8>(seed & 31)});
      break;  // rol eax, seed
    case 3:
      code.put({0x01, 0xc2});
      break;  // add edx, eax
    default:
      code.put({0x69, 0xc0}).put32(seed);  // imul eax, eax, seed
  }
}

/// `kBlocks` blocks of `length` instructions with their jumps.
Code chain(Body body, unsigned length, u32 seed) {
  Code code(BenchMachine::kCode);
  code.mov_rsi(BenchMachine::kData);
  for (unsigned block = 0; block < kBlocks; ++block) {
    for (unsigned i = 0; i + 1 < length; ++i) {
      seed = seed * 1664525 + 1013904223;
      put_instruction(code, body, seed);
    }
    code.jmp(code.here() + 5);
  }
  return code.hlt();
}

struct Cost {
  double extra_ns = 0;   // Of being new, for all blocks.
  double steady_ns = 0;  // Of one pass later.
};

Cost run_chain(const Results& results, Body body, unsigned length, u32 seed) {
  const auto machine = std::make_unique<BenchMachine>(results.engine());
  const Code code = chain(body, length, seed);
  machine->write(code);
  std::array<double, kPasses> passes;
  for (double& pass : passes) pass = machine->run(code.origin());
  Cost cost;
  cost.steady_ns = *std::min_element(passes.begin(), passes.end());
  for (const double pass : passes) cost.extra_ns += pass - cost.steady_ns;
  return cost;
}

struct Shape {
  const char* name;
  Body body;
  unsigned length;
};
constexpr Shape kShapes[] = {
    {"arithmetic_4", Body::Arithmetic, 4},   {"arithmetic_14", Body::Arithmetic, 14},
    {"arithmetic_30", Body::Arithmetic, 30}, {"mixed_8", Body::Mixed, 8},
    {"mixed_30", Body::Mixed, 30},
};

}  // namespace

void bench_translate(Results& results) {
  if (!results.wants("translate/")) return;
  for (const Shape& shape : kShapes) {
    const std::string stem = std::string("translate/") + shape.name;
    u32 seed = 1;
    results.add(stem + "/ns_per_block", [&] {
      return run_chain(results, shape.body, shape.length, ++seed).extra_ns / kBlocks;
    });
    results.add(stem + "/ns_per_instruction", [&] {
      return run_chain(results, shape.body, shape.length, ++seed).extra_ns / kBlocks / shape.length;
    });
    results.add(stem + "/steady_ns_per_instruction", [&] {
      return run_chain(results, shape.body, shape.length, ++seed).steady_ns / kBlocks /
             shape.length;
    });
  }
}

}  // namespace doppel::bench
