#pragma once

// A random block with what it starts from: everything that is needed to run it again.
//
// The code is kept as items whose branches name other items, so that the shrinker can drop any item
// and lay out the rest.

#include <string>
#include <vector>

#include "cpu/decoder.h"
#include "tests/blocks/layout.h"
#include "tests/differential/machine_state.h"

namespace doppel::blocks {

using cpu::CodeSize;
using differential::FloatImage;
using differential::Random;

/// A field of an item that depends on where things end up.
struct Fixup {
  enum class Kind : u8 {
    None,
    Relative,  ///< Distance from the end of the instruction that ends `tail` bytes after the field.
    Absolute,  ///< Offset in the code segment, or linear with `linear`.
  };
  Kind kind = Kind::None;
  u8 at = 0;       ///< Offset of the field in the item.
  u8 bytes = 0;    ///< 1, 2, 4
  u8 tail = 0;     ///< Relative: bytes of the instruction behind the field.
  bool linear = false;
  int target = -1; ///< Item; the next one that is left stands in for one that was dropped. -1: only `addend`.
  i64 addend = 0;
};

/// Items of section 1 are numbered from here.
inline constexpr int kOtherSectionIds = 1000;

struct Item {
  int id = 0;
  u8 section = 0;  ///< 0: the block; 1: the procedure in the other page.
  std::vector<u8> bytes;
  std::vector<Fixup> fixups;
};

struct StartState {
  u64 gpr[16] = {};
  u64 rflags = 2;
  u64 fs_base = 0;  ///< 64-bit code only.
  u64 gs_base = 0;
  FloatImage fp;
  u8 ymm_high[16][16] = {};
};

struct RunSpec {
  StartState start;
  u64 budget = 100;
  u8 slices = 0;       ///< 0: in one go. Else the longest slice.
  u64 slice_seed = 0;
  int interrupt_after = -1;  ///< Slices until INTR is raised; -1: never.
};

/// The second page of code.
enum class SecondPage : u8 { Present, Absent, Supervisor, NoExecute };

struct BlockCase {
  u64 number = 0;
  Setting setting = Setting::Long64User;
  CodeSize size = CodeSize::Bits64;
  u16 selectors[6] = {};
  unsigned set = 0;           ///< Which code frames.
  u32 entry_offset = 0;       ///< Of section 0 from the main page.
  u32 other_offset = 0;       ///< Of section 1 from the other page.
  SecondPage second_page = SecondPage::Present;
  bool warm = false;          ///< Page-table entries are accessed and dirty already.
  u32 replacement_seed = 0;   ///< What the frame behind a remapped other page holds.
  std::vector<Item> items;
  std::vector<RunSpec> runs;
};

/// Items as bytes at their places.
struct LaidOut {
  std::vector<u8> main;   ///< From `entry_offset` on.
  std::vector<u8> other;  ///< From `other_offset` on.
};

/// Linear address and offset of the code segment's base.
u64 code_linear(const BlockCase& block);
u64 code_segment_base(const BlockCase& block);
u64 code_frames(const BlockCase& block);

/// False where a branch does not reach or the code does not fit.
bool lay_out(const BlockCase& block, LaidOut& out);

/// An instruction a line, with its address.
std::string listing(const BlockCase& block, const LaidOut& code, const cpu::Decoder& decoder);

}  // namespace doppel::blocks
