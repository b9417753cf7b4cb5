#pragma once

#include "cpu/base/archive.h"
#include "cpu/base/types.h"

/// Commands of a CD-ROM drive, and what can be wrong with them.
/// @source  MMC-3 (T10/1363-D), "Command descriptions" and annex "Error reporting"
namespace doppel::devices::atapi {

inline constexpr u8 kTestUnitReady = 0x00;
inline constexpr u8 kRequestSense = 0x03;
inline constexpr u8 kInquiry = 0x12;
inline constexpr u8 kModeSelect6 = 0x15;
inline constexpr u8 kModeSense6 = 0x1a;
inline constexpr u8 kStartStopUnit = 0x1b;
inline constexpr u8 kPreventAllow = 0x1e;
inline constexpr u8 kReadCapacity = 0x25;
inline constexpr u8 kRead10 = 0x28;
inline constexpr u8 kSeek10 = 0x2b;
inline constexpr u8 kReadSubchannel = 0x42;
inline constexpr u8 kReadToc = 0x43;
inline constexpr u8 kGetConfiguration = 0x46;
inline constexpr u8 kGetEventStatus = 0x4a;
inline constexpr u8 kReadDiscInformation = 0x51;
inline constexpr u8 kReadTrackInformation = 0x52;
inline constexpr u8 kModeSelect10 = 0x55;
inline constexpr u8 kModeSense10 = 0x5a;
inline constexpr u8 kRead12 = 0xa8;
inline constexpr u8 kSetCdSpeed = 0xbb;
inline constexpr u8 kMechanismStatus = 0xbd;
inline constexpr u8 kReadCd = 0xbe;

struct Sense {
  u8 key = 0;
  u8 code = 0;
  u8 qualifier = 0;
  void serialize(Archive& archive) { archive(key, code, qualifier); }
};

inline constexpr Sense kNoDisc{0x2, 0x3a, 0x01};  // The tray is closed.
inline constexpr Sense kTrayOpen{0x2, 0x3a, 0x02};
inline constexpr Sense kReadError{0x3, 0x11, 0x00};
inline constexpr Sense kUnknownCommand{0x5, 0x20, 0x00};
inline constexpr Sense kOutOfRange{0x5, 0x21, 0x00};
inline constexpr Sense kInvalidField{0x5, 0x24, 0x00};
inline constexpr Sense kNoSavedPages{0x5, 0x39, 0x00};
inline constexpr Sense kRemovalPrevented{0x5, 0x53, 0x02};
inline constexpr Sense kDiscChanged{0x6, 0x28, 0x00};

// Media events of GET EVENT STATUS NOTIFICATION.
inline constexpr u8 kEventEjectRequest = 1;
inline constexpr u8 kEventNewMedia = 2;
inline constexpr u8 kEventMediaRemoval = 3;

/// Big endian, as everything in packets is.
inline void put16(u8* at, u32 value) {
  at[0] = static_cast<u8>(value >> 8);
  at[1] = static_cast<u8>(value);
}
inline void put32(u8* at, u32 value) {
  put16(at, value >> 16);
  put16(at + 2, value);
}

}  // namespace doppel::devices::atapi
