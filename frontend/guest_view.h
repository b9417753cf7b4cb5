#pragma once

// Looking at a guest's memory without being noticed: no accessed bits, no faults, no device reads.

#include <string>
#include <vector>

#include "frontend/machine.h"

namespace doppel::frontend {

class GuestView {
 public:
  explicit GuestView(Machine& machine) : machine_(machine) {}

  /// The linear address of the next instruction.
  LinearAddr instruction_pointer() const { return code_address(machine_.cpu().state.rip()); }
  /// The linear address of an offset in CS.
  LinearAddr code_address(u64 offset) const;
  /// The linear address of the top of the stack.
  LinearAddr stack_address() const;

  /// As many of `size` bytes as are mapped from `address` on.
  std::vector<u8> read(LinearAddr address, size_t size) const;

  struct Walk {
    LinearAddr address;
    mmu::PageWalker::Steps steps;
    bool ok = false;
    PhysAddr physical;     ///< Where it leads, if ok.
    bool present = false;  ///< `physical` is RAM or ROM.
  };
  Walk walk(LinearAddr address, mmu::WalkRequest request) const;
  /// Where an address leads, whoever may go there.
  Walk locate(LinearAddr address) const;
  /// One line a level.
  static std::vector<std::string> describe(const Walk& walk);

  struct Line {
    u64 address = 0;
    std::string bytes;
    std::string text;
  };
  /// Instructions from `address` on; stops where memory does.
  std::vector<Line> disassemble(LinearAddr address, unsigned count) const;

 private:
  Walk walk_in(const PagingContext& context, LinearAddr address, mmu::WalkRequest request) const;

  Machine& machine_;
};

}  // namespace doppel::frontend
