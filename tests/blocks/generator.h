#pragma once

// Makes random blocks.
//
// A block is a list of shapes: single instructions of any form, and short patterns in which a translator
// has decisions to make (branches, loops, calls, code that is changed, pages that are remapped, what
// only a kernel may do). Registers have roles for the length of a block, so that most memory operands
// lead into the window and most results do not destroy a pointer.

#include <initializer_list>

#include "tests/blocks/assembler.h"
#include "tests/blocks/case.h"
#include "tests/blocks/form_table.h"
#include "tests/differential/generator.h"

namespace doppel::blocks {

/// Guest-physical addresses of the page-table entries that blocks rewrite, in legacy and in long mode.
struct TableEntries {
  u64 other_page[2] = {};
  u64 remapped_page[2] = {};
};

class BlockGenerator {
 public:
  /// `mode`: 16, 32, 64, or 0 for all.
  BlockGenerator(u64 seed, const FormTable& forms, const TableEntries& entries, int mode);

  /// The `number`th block: the same for the same seed.
  BlockCase make(u64 number);

 private:
  // generator.cpp
  void choose_setting();
  void choose_roles();
  void choose_flavour();
  void fill();
  void procedure();
  const differential::Form* random_form();

  // generator_shapes.cpp: patterns of innocuous code
  void add(std::initializer_list<u64> bytes, std::vector<Fixup> fixups = {});
  void instruction();
  void noise();
  void forward_branch();
  void loop();
  void count_down(u8 counter, int head);
  void loop_of_calls();
  void call_procedure();
  void call_over();
  void overwritten_operand();
  void on_registers(u64 opcode, u8 reg, u8 rm);
  void load(u8 to, u8 from);
  void push_pop();
  void indirect();
  void unbalanced();
  void string();
  void change_code();
  void change_code_by_string();
  void load_immediate(u8 reg, u32 value);
  void load_address(u8 reg, int target, i64 addend);
  void load_one_of_two(u8 reg, int other);
  void call_register(u8 reg, bool call);
  void near_branch(std::initializer_list<u64> opcode, int target);
  void short_branch(u8 opcode, int target);
  void ret();

  // generator_system.cpp: callouts
  void user_callout();
  void kernel_callout();
  void segment_load();
  void return_from_interrupt();
  void remap();

  // generator_state.cpp
  void choose_runs();
  void start_state(StartState& start, bool calm);
  u64 window_address(bool calm);
  u64 random_integer();

  bool bits64() const { return block_.size == CodeSize::Bits64; }
  bool bits16() const { return block_.size == CodeSize::Bits16; }
  u8 pick(const std::vector<u8>& from) { return from[random_.below(from.size())]; }
  u64 data_segment_base(unsigned segment) const;
  u8 free_register();

  const u64 seed_;
  const FormTable& forms_;
  const TableEntries entries_;
  const int mode_;
  Assembler assembler_;
  differential::Generator values_;
  Random random_{0};
  BlockCase block_;
  Addressing roles_;
  Group flavour_ = Group::Integer;
  std::vector<const differential::Form*> used_;  // Forms with floating-point operands, for start values.
  int next_id_[2] = {};
  u8 section_ = 0;
  bool has_procedure_ = false;
};

}  // namespace doppel::blocks
