#include "jit/layout.h"

#include "cpu/base/check.h"

namespace doppel::jit {
namespace {

// Cpu is no standard-layout type, so distances are taken from a live one; they are the same in all.
i32 distance(const cpu::Cpu& cpu, const void* to) {
  const auto from = reinterpret_cast<const u8*>(&cpu.state) + kStateBias;
  return static_cast<i32>(static_cast<const u8*>(to) - from);
}

// EngineArea follows the state, at its alignment.
constexpr size_t kAreaOffset = (sizeof(cpu::CpuState) + 63) / 64 * 64;

}  // namespace

i32 word_offset(Word word) {
  return static_cast<i32>(kAreaOffset + offsetof(cpu::EngineArea, words) +
                          static_cast<size_t>(word) * 8) - kStateBias;
}

i32 group_offset(unsigned number) { return word_offset(Word::Groups) + static_cast<i32>(number * 8); }

i32 jump_table_offset(unsigned table) {
  return static_cast<i32>(kAreaOffset + offsetof(cpu::EngineArea, tables) +
                          table * cpu::EngineArea::kTableEntries * 8) - kStateBias;
}

i32 run_counter_offset(u32 block_number) {
  return static_cast<i32>(kAreaOffset + offsetof(cpu::EngineArea, counters) + run_counter(block_number) * 8) - kStateBias;
}

TlbOffsets tlb_offsets(const cpu::Cpu& cpu, mmu::Mmu::PrivilegeClass which) {
  DOPPEL_CHECK(reinterpret_cast<const u8*>(&cpu.engine_area) - reinterpret_cast<const u8*>(&cpu.state) ==
                   static_cast<ptrdiff_t>(kAreaOffset),
               "the engine's area does not follow the state");
  const mmu::ShadowTlb& table = cpu.mmu.table(which);
  return {distance(cpu, &table.index_mask), distance(cpu, table.read_tags),
          distance(cpu, table.write_tags), distance(cpu, table.addends),
          distance(cpu, table.fetch_ids), distance(cpu, table.sites),
          distance(cpu, table.runs), distance(cpu, table.run_of[0]), distance(cpu, table.run_of[1]),
          distance(cpu, &table.copies_made), distance(cpu, table.copies),
          distance(cpu, table.newest_copy)};
}

CpuOffsets cpu_offsets(const cpu::Cpu& cpu) {
  return {distance(cpu, cpu.interrupt_line()), distance(cpu, cpu.flat_base(Seg::GS)),
          distance(cpu, cpu.segment_facts(Seg{})), distance(cpu, &cpu.segment_loads())};
}

}  // namespace doppel::jit
