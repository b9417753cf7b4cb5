#pragma once

#include <cstddef>
#include <cstdint>

namespace doppel {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
__extension__ using u128 = unsigned __int128;
__extension__ using i128 = __int128;
using std::size_t;

/// How many bytes an access moves; the value is that number.
enum class Width : u8 { Byte = 1, Word = 2, Dword = 4, Qword = 8 };

constexpr unsigned bytes(Width width) { return static_cast<unsigned>(width); }
constexpr unsigned bits(Width width) { return bytes(width) * 8; }

/// All ones in `width`: what an empty bus reads as.
constexpr u64 all_ones(Width width) { return ~u64{0} >> (64 - bits(width)); }

}  // namespace doppel
