#pragma once

// A guest test as a file: what its header comments say, its bytes and its labels.
//
//   ; mode:    real | protected32 | long64        the state it starts in (start_state.h)
//   ; cpu:     x86-64-v1,+umip                    default: max
//   ; devices: board                              default: processor, memory and two test ports
//   ; limit:   200000                             instructions; default 100000
//   ; org:     0x100000                           default 0x7c00
//   ; runs:    interpreter translator host        default: interpreter translator
//   ; source:  Intel SDM Vol. 3A, "..."           required
//   ; expect:  rax=0x6 rflags=PF ...              required, several lines (expectation.h)

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::guest {

enum class StartMode : u8 { Real, Protected32, Long64 };

/// Labels and constants by name.
using Symbols = std::map<std::string, u64, std::less<>>;

struct Program {
  std::string name;  ///< "segmentation/null_selector"
  StartMode mode = StartMode::Real;
  std::string model = "max";
  bool has_board = false;
  u64 limit = 100'000;
  u64 origin = 0x7c00;
  std::vector<std::string> runs;
  std::vector<std::string> expectations;  ///< One item each: "rax=0x6".
  std::vector<u8> image;
  Symbols symbols;

  bool runs_on(std::string_view engine) const;
};

/// Reads the source's header, and beside `stem` the assembled image (.bin) and nasm's map (.map).
/// @errors a sentence that names the file
Result<Program, Error> load_program(const std::string& source, const std::string& stem);

}  // namespace doppel::guest
