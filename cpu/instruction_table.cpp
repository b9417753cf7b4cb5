#include "cpu/instruction_table.h"

#include <array>

#include <Zydis/Zydis.h>

namespace doppel::cpu {
namespace {

using Table = std::array<InstructionRow, ZYDIS_MNEMONIC_MAX_VALUE + 1>;

constexpr unsigned kRows = 0
#define INST(mnemonic, klass, interpreter, translator, then) +1
#include "cpu/instructions.inc"
#undef INST
    ;

constexpr Table make_table() {
  Table table{};
#define INST(mnemonic, klass, interpreter, translator, then)                                     \
  table[ZYDIS_MNEMONIC_##mnemonic] =                                                             \
      InstructionRow{InstructionClass::klass, &select_##interpreter, Translation::translator,    \
                     Then::then, #mnemonic};
#include "cpu/instructions.inc"
#undef INST
  return table;
}

constexpr Table kTable = make_table();

constexpr unsigned count_rows() {
  unsigned count = 0;
  for (const InstructionRow& row : kTable) {
    if (row.klass != InstructionClass::None) ++count;
  }
  return count;
}
static_assert(count_rows() == kRows, "a mnemonic stands twice in cpu/instructions.inc");

constexpr std::array<bool, ZYDIS_MNEMONIC_MAX_VALUE + 1> make_float_rows() {
  std::array<bool, ZYDIS_MNEMONIC_MAX_VALUE + 1> rows{};
#define INST(mnemonic, klass, interpreter, translator, then) rows[ZYDIS_MNEMONIC_##mnemonic] = true;
#include "cpu/instructions_float.inc"
#undef INST
  // Two names for strings and SSE forms.
  rows[ZYDIS_MNEMONIC_MOVSD] = rows[ZYDIS_MNEMONIC_CMPSD] = true;
  return rows;
}

constexpr auto kFloatRows = make_float_rows();

}  // namespace

bool is_float_row(u16 mnemonic) { return kFloatRows[mnemonic]; }

const InstructionRow& instruction_row(u16 mnemonic) { return kTable[mnemonic]; }

Result<void> interpret_invalid(Cpu&, const Instruction&) { return ud(); }

Result<void> interpret_too_long(Cpu&, const Instruction&) { return gp(); }

}  // namespace doppel::cpu
