#pragma once

// A form of the instruction table as bytes, with operands that mostly stay within the window.

#include <vector>

#include "tests/blocks/case.h"
#include "tests/differential/forms.h"

namespace doppel::blocks {

/// Which registers of a block hold what; instructions are made to respect it most of the time.
struct Addressing {
  std::vector<u8> pointers = {RBX, RSI, RDI};  ///< Into the data window.
  std::vector<u8> small = {RCX};               ///< Below a few dozen.
  std::vector<u8> free = {RAX, RDX};           ///< Anything; most results go here.
  u8 frame = RBP;                              ///< Into the stack.
  u32 absolute = 0;                            ///< Offset of the window, for addresses without registers.
  bool absolute_is_linear = false;             ///< The distance from RIP leads to it: 64-bit code.
  bool wide = false;                           ///< 16-bit code as compilers make it: with offsets of 32 bits.
};

class Assembler {
 public:
  explicit Assembler(u64 seed) : random_(seed) {}
  void reseed(u64 seed) { random_ = Random(seed); }

  /// False if these choices make no instruction of the form; another attempt may.
  bool encode(const differential::Form& form, const Addressing& addressing, std::vector<u8>& bytes, differential::Decoded& decoded);
  /// Where the last encoded instruction has a displacement from RIP: its place, else 0.
  const Fixup& fixup() const { return fixup_; }

 private:
  void prefixes(const differential::Form& form, bool wide);
  void memory(const differential::Form& form, const Addressing& addressing, u8 reg);
  void memory16(const Addressing& addressing, u8 reg);
  void displacement(unsigned bytes);
  u8 pick_register(const Addressing& addressing, bool bits64);
  u8 pick(const std::vector<u8>& from) { return from[random_.below(from.size())]; }
  void byte(u64 value) { bytes_.push_back(static_cast<u8>(value)); }

  Random random_;
  std::vector<u8> bytes_;
  Fixup fixup_;
  bool has_67_ = false;
  u8 rex_ = 0;  // R 4, X 2, B 1
};

}  // namespace doppel::blocks
