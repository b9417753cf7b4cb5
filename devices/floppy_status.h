#pragma once

#include "cpu/base/types.h"

/// Status registers 0 to 3: what the result phase of an 82077AA is made of.
/// @source  Intel 82077AA data sheet, "Status Register Encoding"
namespace doppel::devices::floppy {

// ST0: how it ended, then head and drive. IC:
inline constexpr u8 kSt0Normal = 0x00;
inline constexpr u8 kSt0Abnormal = 0x40;
inline constexpr u8 kSt0Invalid = 0x80;
inline constexpr u8 kSt0Polling = 0xc0;
inline constexpr u8 kSt0InterruptCode = 0xc0;
inline constexpr u8 kSt0SeekEnd = 0x20;
inline constexpr u8 kSt0EquipmentCheck = 0x10;
inline constexpr unsigned kSt0HeadShift = 2;

// ST1.
inline constexpr u8 kSt1EndOfCylinder = 0x80;
inline constexpr u8 kSt1DataError = 0x20;
inline constexpr u8 kSt1Overrun = 0x10;
inline constexpr u8 kSt1NoData = 0x04;
inline constexpr u8 kSt1NotWritable = 0x02;
inline constexpr u8 kSt1MissingAddressMark = 0x01;

// ST2.
inline constexpr u8 kSt2ControlMark = 0x40;
inline constexpr u8 kSt2DataErrorInDataField = 0x20;
inline constexpr u8 kSt2WrongCylinder = 0x10;

// ST3.
inline constexpr u8 kSt3WriteProtected = 0x40;
inline constexpr u8 kSt3Track0 = 0x10;
inline constexpr u8 kSt3AlwaysOn = 0x28;

// Bits of a command's first byte.
inline constexpr u8 kMultiTrack = 0x80;
inline constexpr u8 kMfm = 0x40;
inline constexpr u8 kSkip = 0x20;

}  // namespace doppel::devices::floppy
