#pragma once

// Why a guest died, collected once and told twice: as text for the person, as data for the report.

#include <string>
#include <vector>

#include "frontend/guest_view.h"
#include "frontend/machine.h"

namespace doppel::frontend {

/// "#PF", "#GP", "interrupt 32".
std::string vector_name(u8 vector);
/// The fault chain in one line: "#PF(2) at 0x1000, then #DF".
std::string summarize_faults(const cpu::Cpu& cpu);

struct Autopsy {
  std::string reason;
  std::string mode;
  std::string registers;
  struct FaultLine {
    std::string name;
    u32 error_code = 0;
    u16 cs = 0;
    u64 rip = 0;
    u64 cr2 = 0;
    std::string failure;  ///< Why it could not be delivered.
  };
  std::vector<FaultLine> faults;
  struct WalkReport {
    std::string what;  ///< "RIP", "CR2", "RSP"
    u64 address = 0;
    std::vector<std::string> lines;
  };
  std::vector<WalkReport> walks;
  std::vector<cpu::BranchRecord> branches;
  std::vector<GuestView::Line> code;
  u64 code_marker = 0;  ///< The line of `code` that matters.
  u64 stack_address = 0;
  unsigned stack_word_bytes = 8;
  std::vector<u64> stack;
  std::vector<u8> post_codes;

  std::string text() const;
};

Autopsy examine(Machine& machine, std::string reason);

}  // namespace doppel::frontend
