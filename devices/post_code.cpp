#include "devices/post_code.h"

#include <algorithm>

namespace doppel::devices {

void PostCodePort::write_byte(unsigned, u8 value) {
  last_ = value;
  ring_[written_ % kHistory] = Entry{scheduler_.now_ns(), value};
  ++written_;
}

std::vector<PostCodePort::Entry> PostCodePort::history() const {
  std::vector<Entry> entries;
  const u64 count = std::min<u64>(written_, kHistory);
  entries.reserve(count);
  for (u64 i = written_ - count; i != written_; ++i) entries.push_back(ring_[i % kHistory]);
  return entries;
}

void PostCodePort::serialize(Archive& archive) { archive(ring_, written_, last_); }

}  // namespace doppel::devices
