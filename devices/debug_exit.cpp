#include "devices/debug_exit.h"

#include <string_view>

namespace doppel::devices {

void DebugExit::write(u64, Width width, u64 value) {
  const u64 written = value & all_ones(width);
  control_.request_exit(static_cast<int>(static_cast<u32>(written << 1 | 1)));
}

void ShutdownPort8900::write_byte(unsigned, u8 value) {
  constexpr std::string_view kWord = "Shutdown";
  if (value != static_cast<u8>(kWord[matched_])) {
    // The letter that does not fit may begin the word again.
    matched_ = value == static_cast<u8>(kWord[0]) ? 1 : 0;
    return;
  }
  if (++matched_ == kWord.size()) {
    matched_ = 0;
    control_.request_shutdown();
  }
}

void ShutdownPort8900::serialize(Archive& archive) {
  archive(matched_);
  if (matched_ >= 8) {
    archive.fail("port 8900h has seen more letters than there are");
    matched_ = 0;
  }
}

}  // namespace doppel::devices
