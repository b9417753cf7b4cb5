#pragma once

// Instructions decoded before, found again by their first bytes.
//
// Prefixes, opcode, ModRM and SIB (the head) decide what an instruction is; displacement and
// immediate behind them are only values. So what was decoded once serves for every instruction with
// the same head: it is copied, and the two values are read anew. Code that is new to the machine is
// rarely new in this sense.
//
// The scan for the head may be ignorant: `remember` keeps only what the real decoder has confirmed,
// and the head of one instruction is the head of no other.

#include <memory>

#include "cpu/instruction.h"

namespace doppel::cpu {

/// How bytes are read: the default sizes of the code segment.
enum class CodeSize : u8 { Bits16, Bits32, Bits64 };

class DecodeMemo {
 public:
  /// Bytes that must be readable for `find` and `remember`.
  static constexpr size_t kBytesRead = 16;

  DecodeMemo();

  /// What stands behind the head of an instruction, as the decoder found it.
  struct Tail {
    u8 displacement_at = 0;     ///< 0: none.
    u8 displacement_bytes = 0;
    u8 immediate_at = 0;        ///< 0: none.
    u8 immediate_bytes = 0;
    bool immediate_is_signed = false;
    /// The instruction is another one with other values behind its head.
    bool values_matter = false;
  };

  /// True: `out` is the instruction at `bytes`.
  bool find(CodeSize size, bool real, const u8* bytes, Instruction& out) const;
  void remember(CodeSize size, bool real, const u8* bytes, const Instruction& insn, const Tail& tail);

 private:
  static constexpr unsigned kSlotBits = 12;
  static constexpr u8 kLongestHead = 8;

  struct Entry {
    u64 head = 0;
    u8 head_bytes = 0;  ///< 0: free.
    u8 mode = 0;
    Tail tail;
    Instruction insn;
  };
  struct Place {
    u64 head = 0;
    u8 head_bytes = 0;  ///< 0: not for us.
    size_t slot = 0;
  };
  static Place place(CodeSize size, u8 mode, const u8* bytes);

  struct Release {
    void operator()(Entry* entries) const;
  };
  std::unique_ptr<Entry[], Release> entries_;
};

}  // namespace doppel::cpu
