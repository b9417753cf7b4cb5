// SMBIOS: what the machine is made of, for inventories and for guests that look for their board.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "devices/firmware_tables.h"

namespace doppel::devices {

namespace {

constexpr u64 kMiB = u64{1} << 20;
constexpr u64 kGiB = u64{1} << 30;
constexpr u16 kNone = 0xfffe;          // A handle that leads nowhere.
constexpr u8 kUnknown = 0x02;

/// Structures behind one another, each with its strings.
class Structures {
 public:
  Structures& begin(u8 type, u16 handle) {
    start_ = bytes_.size();
    strings_.clear();
    string_count_ = 0;
    return number(type, 1).number(0, 1).number(handle, 2);
  }
  Structures& number(u64 value, unsigned size_bytes) {
    for (unsigned i = 0; i < size_bytes; ++i) bytes_.push_back(static_cast<u8>(value >> (8 * i)));
    return *this;
  }
  Structures& zeros(size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  /// A reference to a string of this structure.
  Structures& text(std::string_view value) {
    strings_.insert(strings_.end(), value.begin(), value.end());
    strings_.push_back(0);
    return number(++string_count_, 1);
  }
  void end() {
    const size_t length = bytes_.size() - start_;
    bytes_[start_ + 1] = static_cast<u8>(length);
    bytes_.insert(bytes_.end(), strings_.begin(), strings_.end());
    if (string_count_ == 0) bytes_.push_back(0);
    bytes_.push_back(0);
    largest_ = std::max(largest_, bytes_.size() - start_);
    ++count_;
  }
  size_t largest() const { return largest_; }
  size_t count() const { return count_; }
  std::vector<u8> take() { return std::move(bytes_); }

 private:
  std::vector<u8> bytes_;
  std::vector<u8> strings_;
  u8 string_count_ = 0;
  size_t start_ = 0;
  size_t largest_ = 0;
  size_t count_ = 0;
};

void add_machine(Structures& out) {
  constexpr u64 kNotSupported = u64{1} << 3;
  out.begin(0, 0x0000).text("doppel").text("1.0").number(0xe800, 2).text("01/01/2024").number(0, 1);
  // Characteristics: none given; the extension says: a virtual machine, targeted content.
  out.number(kNotSupported, 8).number(0, 1).number(0x14, 1).number(0xffff0000, 4).end();

  out.begin(1, 0x0100).text("doppel").text("Standard PC").text("1").number(0, 1);
  out.zeros(16).number(0x06, 1).number(0, 1).text("PC").end();  // Woken by the power switch.

  constexpr u8 kOther = 0x01;
  constexpr u8 kSafe = 0x03;
  out.begin(3, 0x0300).text("doppel").number(kOther, 1).text("1").number(0, 2);
  out.number(kSafe, 1).number(kSafe, 1).number(kSafe, 1).number(kUnknown, 1);
  out.zeros(4 + 1 + 1 + 1 + 1).end();
}

void add_processors(Structures& out, unsigned cpus) {
  constexpr u8 kCentral = 0x03;
  constexpr u8 kEnabled = 0x41;
  for (unsigned cpu = 0; cpu < cpus; ++cpu) {
    out.begin(4, static_cast<u16>(0x0400 + cpu)).text("CPU " + std::to_string(cpu));
    out.number(kCentral, 1).number(0x01, 1).text("doppel").zeros(8).text("1").number(0, 1);
    out.zeros(2).number(2000, 2).number(2000, 2).number(kEnabled, 1).number(0x01, 1);
    out.number(0xffff, 2).number(0xffff, 2).number(0xffff, 2);  // No caches described.
    out.number(0, 1).number(0, 1).number(0, 1).number(1, 1).number(1, 1).number(1, 1);
    out.number(kUnknown, 2).number(0x01, 2).end();
  }
}

void add_memory(Structures& out, u64 ram_bytes) {
  constexpr u16 kArray = 0x1000;
  constexpr u64 kModule = 16 * kGiB;
  const u64 modules = (ram_bytes + kModule - 1) / kModule;
  // System memory on the system board, error correction unknown.
  out.begin(16, kArray).number(0x01, 1).number(0x03, 1).number(0x06, 1);
  out.number(0x8000'0000, 4).number(kNone, 2).number(modules, 2).number(ram_bytes, 8).end();

  for (u64 module = 0; module < modules; ++module) {
    const u64 size_mib = std::min(kModule, ram_bytes - module * kModule) / kMiB;
    out.begin(17, static_cast<u16>(0x1100 + module)).number(kArray, 2).number(kNone, 2);
    out.number(0xffff, 2).number(0xffff, 2);            // Widths: unknown.
    out.number(size_mib < 0x7fff ? size_mib : 0x7fff, 2).number(0x09, 1).number(0, 1);
    out.text("DIMM " + std::to_string(module)).number(0, 1).number(0x07, 1).number(kUnknown, 2);
    out.zeros(2).text("doppel").zeros(3).number(0, 1).number(size_mib, 4).zeros(2).end();
  }
  const auto range = [&](u16 handle, u64 first, u64 size) {
    const u64 last = first + size - 1;
    out.begin(19, handle).number(first / 1024, 4).number(last / 1024, 4).number(kArray, 2);
    out.number(modules, 1).zeros(16).end();
  };
  const u64 low = std::min(ram_bytes, u64{3} * kGiB);
  range(0x1300, 0, low);
  if (ram_bytes > low) range(0x1301, 4 * kGiB, ram_bytes - low);
}

u8 sum(const std::vector<u8>& bytes, size_t first, size_t size) {
  u8 total = 0;
  for (size_t i = 0; i < size; ++i) total = static_cast<u8>(total + bytes[first + i]);
  return total;
}

/// The entry point; firmware fills in where the structures came to stand, and its checksums.
std::vector<u8> entry_point(size_t table_bytes, size_t largest, size_t count) {
  constexpr size_t kIntermediate = 0x10;
  std::vector<u8> bytes = {'_', 'S', 'M', '_', 0, 0x1f, 2, 8};
  const auto number = [&](u64 value, unsigned size_bytes) {
    for (unsigned i = 0; i < size_bytes; ++i) bytes.push_back(static_cast<u8>(value >> (8 * i)));
  };
  number(largest, 2);
  number(0, 1 + 5);
  bytes.insert(bytes.end(), {'_', 'D', 'M', 'I', '_', 0});
  number(table_bytes, 2);
  number(0, 4);
  number(count, 2);
  number(0x28, 1);
  bytes[kIntermediate + 5] = static_cast<u8>(-sum(bytes, kIntermediate, 0x0f));
  bytes[4] = static_cast<u8>(-sum(bytes, 0, bytes.size()));
  return bytes;
}

}  // namespace

void add_smbios_files(FwCfg& fw_cfg, const SmbiosConfig& config) {
  Structures out;
  add_machine(out);
  add_processors(out, config.cpus);
  add_memory(out, config.ram_bytes);
  out.begin(32, 0x2000).zeros(6).number(0, 1).end();  // No boot errors.
  out.begin(127, 0x7f00).end();
  const size_t largest = out.largest();
  const size_t count = out.count();
  std::vector<u8> tables = out.take();
  fw_cfg.add_file("etc/smbios/smbios-anchor", entry_point(tables.size(), largest, count));
  fw_cfg.add_file("etc/smbios/smbios-tables", std::move(tables));
}

}  // namespace doppel::devices
