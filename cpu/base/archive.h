#pragma once

// One function that saves and loads.
//
// A part with state has `void serialize(Archive& archive)` and names its members once:
// `archive(a, b, c)`. The archive knows the direction. Loading from damaged bytes never reads past
// the end: it yields zeros and leaves `error()` set, and the caller throws the machine away.

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cpu/base/address.h"
#include "cpu/base/types.h"

namespace doppel {

class Archive {
 public:
  /// Saves: appends to `output`, which must outlive the archive.
  static Archive saver(std::vector<u8>& output) { return Archive(&output, {}); }
  /// Loads from `input`, which must outlive the archive.
  static Archive loader(std::span<const u8> input) { return Archive(nullptr, input); }

  bool is_loading() const { return output_ == nullptr; }
  bool failed() const { return !error_.empty(); }
  const std::string& error() const { return error_; }
  /// Records the first reason why what is being loaded cannot be used.
  void fail(std::string reason) {
    if (error_.empty()) error_ = std::move(reason);
  }

  template <class... Members>
  void operator()(Members&... members) {
    (item(members), ...);
  }

  /// A named part, with its length: a part that reads too much or too little is found at once.
  template <class Body>
  void section(std::string_view name, Body&& body) {
    const size_t start = begin_section(name);
    body();
    end_section(name, start);
  }

  void raw(void* data, size_t size_bytes);
  /// All input was used.
  bool at_end() const { return position_ == input_.size(); }

 private:
  Archive(std::vector<u8>* output, std::span<const u8> input) : output_(output), input_(input) {}

  size_t begin_section(std::string_view name);
  void end_section(std::string_view name, size_t start);

  template <class T>
  void item(T& value) {
    if constexpr (requires { value.serialize(*this); }) {
      value.serialize(*this);
    } else if constexpr (std::is_same_v<T, bool>) {
      u8 byte = value ? 1 : 0;
      raw(&byte, 1);
      value = byte != 0;
    } else {
      static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>, "give the type a serialize()");
      raw(&value, sizeof value);
    }
  }
  template <class Tag>
  void item(Address<Tag>& address) { item(address.value); }
  template <class T, size_t N>
  void item(std::array<T, N>& values) { for (T& value : values) item(value); }
  template <class T, size_t N>
  void item(T (&values)[N]) { for (T& value : values) item(value); }
  template <class T>
  void item(std::optional<T>& value) {
    bool present = value.has_value();
    item(present);
    if (is_loading()) {
      if (present) value.emplace(); else value.reset();
    }
    if (present) item(*value);
  }
  template <class T>
  void item(std::vector<T>& values) {
    u64 count = values.size();
    item(count);
    if (is_loading()) {
      values.clear();
      // Each element takes at least a byte: a damaged count cannot make us allocate without bound.
      if (count > input_.size() - position_) {
        fail("a list is longer than the data that follows");
        return;
      }
      values.resize(count);
    }
    for (T& value : values) item(value);
  }
  void item(std::string& text);

  std::vector<u8>* output_;
  std::span<const u8> input_;
  size_t position_ = 0;
  std::string error_;
};

}  // namespace doppel
