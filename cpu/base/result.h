#pragma once

// Results travel as values, because generated code has no unwind tables.
//
// `Result<T>` carries a guest `Fault` (cpu/arch/exception.h), `Result<T, Error>` a sentence about
// the host. `DOPPEL_TRY` leaves the calling function with the error, as `return` would.

#include <string>
#include <utility>
#include <variant>

#include "cpu/base/types.h"

namespace doppel {

struct Fault;

/// The host could not provide something. One clear line that names the thing and the reason.
struct Error {
  std::string message;
};

template <class T, class E = Fault>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(implicit)
  Result(E error) : content_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(implicit)

  bool ok() const { return content_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return *std::get_if<0>(&content_); }
  const T& value() const { return *std::get_if<0>(&content_); }
  T& operator*() { return value(); }
  T* operator->() { return &value(); }
  const E& error() const { return *std::get_if<1>(&content_); }
  T take() { return std::move(value()); }

 private:
  std::variant<T, E> content_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : content_(std::move(error)) {}  // NOLINT(implicit)

  bool ok() const { return content_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const E& error() const { return *std::get_if<1>(&content_); }
  void take() {}

 private:
  std::variant<std::monostate, E> content_;
};

}  // namespace doppel

#define DOPPEL_CONCAT_(a, b) a##b
#define DOPPEL_CONCAT(a, b) DOPPEL_CONCAT_(a, b)

#define DOPPEL_TRY_1_(result, expression)                    \
  do {                                                       \
    auto result = (expression);                              \
    if (!result.ok()) [[unlikely]] return result.error();    \
  } while (false)

#define DOPPEL_TRY_2_(result, declaration, expression)  \
  auto result = (expression);                           \
  if (!result.ok()) [[unlikely]] return result.error(); \
  declaration = result.take()

#define DOPPEL_TRY_PICK_(a, b, name, ...) name

/// `DOPPEL_TRY(expression)` or `DOPPEL_TRY(declaration, expression)`: unwraps, or returns the error.
#define DOPPEL_TRY(...)                                                                       \
  DOPPEL_TRY_PICK_(__VA_ARGS__, DOPPEL_TRY_2_, DOPPEL_TRY_1_)                                  \
  (DOPPEL_CONCAT(doppel_result_, __COUNTER__), __VA_ARGS__)
