#pragma once

// Where the bytes of serial ports and debug consoles end up: the terminal, or a file.
//
// Guests write a byte at a time. Sinks gather, and the run loop flushes them when time has passed
// or the guest is idle, so that output appears at once and still costs little.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/base/result.h"
#include "devices/endpoints.h"

namespace doppel::frontend {

class FileSink final : public devices::ByteSink {
 public:
  /// @errors "NAME: reason"
  static Result<std::unique_ptr<FileSink>, Error> create(const std::string& path,
                                                         bool append = false);
  /// The process's standard output; not closed at the end.
  static std::unique_ptr<FileSink> standard_output();
  ~FileSink() override;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  void write(u8 byte) override;
  void write_text(std::string_view text);
  void flush();

 private:
  FileSink(int descriptor, bool owned) : descriptor_(descriptor), owned_(owned) {}

  int descriptor_;
  bool owned_;
  bool failed_ = false;
  std::vector<u8> buffer_;
};

}  // namespace doppel::frontend
