#pragma once

#include "cpu/base/types.h"

/// RFLAGS. @source Intel SDM Vol. 1, "EFLAGS Register"
namespace doppel::rflags {

inline constexpr u64 CF = 1u << 0;
inline constexpr u64 FIXED = 1u << 1;  // always reads as one
inline constexpr u64 PF = 1u << 2;
inline constexpr u64 AF = 1u << 4;
inline constexpr u64 ZF = 1u << 6;
inline constexpr u64 SF = 1u << 7;
inline constexpr u64 TF = 1u << 8;
inline constexpr u64 IF = 1u << 9;
inline constexpr u64 DF = 1u << 10;
inline constexpr u64 OF = 1u << 11;
inline constexpr u64 IOPL = 3u << 12;
inline constexpr unsigned kIoplShift = 12;
inline constexpr u64 NT = 1u << 14;
inline constexpr u64 RF = 1u << 16;
inline constexpr u64 VM = 1u << 17;
inline constexpr u64 AC = 1u << 18;
inline constexpr u64 VIF = 1u << 19;
inline constexpr u64 VIP = 1u << 20;
inline constexpr u64 ID = 1u << 21;

/// What arithmetic instructions produce.
inline constexpr u64 kArithmetic = CF | PF | AF | ZF | SF | OF;
/// What exists at all.
inline constexpr u64 kDefined = kArithmetic | TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID;

}  // namespace doppel::rflags
