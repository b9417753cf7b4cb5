#pragma once

// Reads captures of single instructions: a JSON object a line, compressed with gzip.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::realmode {

/// In the order of `kRegisterNames`.
enum RegisterIndex : unsigned { kAx, kCx, kDx, kBx, kSp, kBp, kSi, kDi, kEs, kCs, kSs, kDs, kIp, kFlags, kRegisters };
inline constexpr const char* kRegisterNames[kRegisters] = {"ax", "cx", "dx", "bx", "sp", "bp", "si",
                                                           "di", "es", "cs", "ss", "ds", "ip", "flags"};

struct Snapshot {
  u16 regs[kRegisters] = {};
  std::vector<std::pair<u32, u8>> ram;  ///< Physical address, byte.
};

struct Capture {
  std::string name;
  std::vector<u8> bytes;  ///< The instruction and the HLT behind it.
  Snapshot initial;
  Snapshot final;         ///< Registers complete: those that did not change are filled in.
  struct Exception {
    unsigned number = 0;
  };
  std::optional<Exception> exception;
};

/// All captures of a file. @errors names the file and the line that is damaged.
Result<std::vector<Capture>, Error> read_captures(const std::string& path);

}  // namespace doppel::realmode
