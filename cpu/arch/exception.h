#pragma once

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel {

/// Exception and interrupt vectors.
/// @source Intel SDM Vol. 3A, "Exception and Interrupt Vectors"
enum class Vector : u8 {
  DE = 0,
  DB = 1,
  NMI = 2,
  BP = 3,
  OF = 4,
  BR = 5,
  UD = 6,
  NM = 7,
  DF = 8,
  TS = 10,
  NP = 11,
  SS = 12,
  GP = 13,
  PF = 14,
  MF = 16,
  AC = 17,
  MC = 18,
  XM = 19,
};

/// True for the vectors that push an error code.
constexpr bool has_error_code(Vector vector) {
  switch (vector) {
    case Vector::DF:
    case Vector::TS:
    case Vector::NP:
    case Vector::SS:
    case Vector::GP:
    case Vector::PF:
    case Vector::AC:
      return true;
    default:
      return false;
  }
}

/// Error code bits of #PF. @source Intel SDM Vol. 3A, "Page-Fault Exceptions"
namespace pf {
inline constexpr u32 P = 1u << 0;     // protection violation, not a missing page
inline constexpr u32 W = 1u << 1;
inline constexpr u32 U = 1u << 2;
inline constexpr u32 RSVD = 1u << 3;
inline constexpr u32 I = 1u << 4;
inline constexpr u32 PK = 1u << 5;
}  // namespace pf

/// An exception on its way to the guest. "No fault" is the default: that keeps `Result<void>` in
/// two registers, which every instruction returns.
struct Fault {
  u64 address = 0;     ///< #PF: the linear address, for CR2. #DB: the DR6 bits to set.
  u32 error_code = 0;  ///< Meaningful where has_error_code(vector).
  Vector vector = Vector::DE;
  bool present = false;

  static constexpr Fault make(Vector vector, u32 error_code = 0, u64 address = 0) {
    return Fault{address, error_code, vector, true};
  }
};
static_assert(sizeof(Fault) == 16);

constexpr Fault gp(u32 error_code = 0) { return Fault::make(Vector::GP, error_code); }
constexpr Fault ud() { return Fault::make(Vector::UD); }

/// As the general Result, without the discriminator: a Fault knows whether it is one.
template <class T>
class [[nodiscard]] Result<T, Fault> {
 public:
  constexpr Result(T value) : value_(std::move(value)) {}            // NOLINT(implicit)
  constexpr Result(const Fault& fault) : value_{}, fault_(fault) {}  // NOLINT(implicit)

  constexpr bool ok() const { return !fault_.present; }
  constexpr explicit operator bool() const { return ok(); }
  constexpr T& value() { return value_; }
  constexpr const T& value() const { return value_; }
  constexpr T& operator*() { return value_; }
  constexpr T* operator->() { return &value_; }
  constexpr const Fault& error() const { return fault_; }
  constexpr T take() { return std::move(value_); }

 private:
  T value_;
  Fault fault_;
};

template <>
class [[nodiscard]] Result<void, Fault> {
 public:
  constexpr Result() = default;
  constexpr Result(const Fault& fault) : fault_(fault) {}  // NOLINT(implicit)

  constexpr bool ok() const { return !fault_.present; }
  constexpr explicit operator bool() const { return ok(); }
  constexpr const Fault& error() const { return fault_; }
  constexpr void take() const {}

 private:
  Fault fault_;
};

}  // namespace doppel
