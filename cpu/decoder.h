#pragma once

// Bytes to compact instructions, through Zydis.
//
// The decoder knows the model: an instruction the model does not have decodes to #UD (or to its
// older meaning: LZCNT without the feature is BSR). It also binds the handler.

#include <memory>
#include <string>

#include "cpu/cpu_model.h"
#include "cpu/decode_memo.h"
#include "cpu/instruction.h"

namespace doppel::cpu {

class Decoder {
 public:
  explicit Decoder(const CpuModel& model);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  enum class Status : u8 {
    Ok,        ///< `out` is an instruction (perhaps one that raises #UD when executed; then its length is 1 or more).
    NeedMore,  ///< The bytes given end inside an instruction.
  };
  /// As `decode_anew`; what was decoded before is remembered.
  Status decode(CodeSize size, bool real, const u8* bytes, size_t available, Instruction& out) const;
  /// `real` is real or virtual-8086 mode, where some encodings do not exist. `bytes` holds at most 15 that matter.
  Status decode_anew(CodeSize size, bool real, const u8* bytes, size_t available, Instruction& out) const;

  /// Intel syntax, for traces and reports.
  std::string disassemble(CodeSize size, const u8* bytes, size_t available, u64 address,
                          unsigned* length = nullptr) const;

 private:
  struct Tables;
  Status decode_with(CodeSize size, bool real, const u8* bytes, size_t available, Instruction& out,
                     DecodeMemo::Tail& tail) const;
  std::unique_ptr<Tables> tables_;
};

}  // namespace doppel::cpu
