#pragma once

// `-d`: what the processor does, line by line, in the shapes that readers of QEMU's log know.

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/decoder.h"
#include "cpu/trace_sink.h"
#include "frontend/machine.h"

namespace doppel::frontend {

struct AddressRange {
  u64 first = 0;
  u64 last = 0;
};
/// "A+LEN,A-LEN,A..B": from A, ending at A, both inclusive.
Result<std::vector<AddressRange>, Error> parse_filter(std::string_view text);

class TraceLog final : public cpu::TraceSink {
 public:
  /// `path` empty: standard error; %d in it is the process id. @errors the option and the reason
  static Result<std::unique_ptr<TraceLog>, Error> create(const std::vector<std::string>& items,
                                                         const std::string& path,
                                                         const std::string& filter);
  /// What `-d help` prints.
  static std::string item_list();

  /// The machine this is the trace of; installs itself there if engine events are wanted.
  void attach(Machine& machine);
  /// Other items from now on, separated by commas; "none": nothing. @errors which there is not
  Result<void, Error> choose(std::string_view items);
  /// Another file from now on, as `create` has it. @errors "NAME: reason"
  Result<void, Error> move_to(const std::string& path);
  void flush() { std::fflush(file_); }
  ~TraceLog() override;

  /// cpu_reset: called by whoever resets.
  void reset(const cpu::CpuState& state);
  /// A line of guest_errors or unimp, from the log channel.
  void note(std::string_view channel, std::string_view line);
  bool wants_notes() const { return guest_errors_; }

  void decoded(const cpu::CpuState& state, LinearAddr address, const cpu::Instruction* instructions,
               size_t count) override;
  void block_entered(const cpu::CpuState& state, LinearAddr address) override;
  void delivered(const cpu::CpuState& state, u8 vector, u32 error_code, bool software,
                 bool external, int previous) override;

 private:
  TraceLog() = default;
  bool set_item(std::string_view name);
  void install();
  bool passes(LinearAddr address) const;
  void translated(const jit::Listing& listing);

  bool in_asm_ = false;
  bool out_asm_ = false;
  bool exec_ = false;
  bool interrupts_ = false;
  bool registers_ = false;
  bool mmu_ = false;
  bool resets_ = false;
  bool guest_errors_ = false;
  bool watches_ = false;  // Is told of translations.
  std::vector<AddressRange> filter_;
  std::FILE* file_ = nullptr;
  bool owned_ = false;
  Machine* machine_ = nullptr;
  std::optional<cpu::Decoder> decoder_;
  u64 events_ = 0;
};

}  // namespace doppel::frontend
