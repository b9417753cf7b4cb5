#pragma once

#include "cpu/base/types.h"

/// The registers of a drive's command block, their bits, and the codes that disks and packet
/// devices have in common.
/// @source  ATA/ATAPI-7 Vol. 1 and 2 (T13/1532D), "Interface register definitions and descriptions"
namespace doppel::devices::ata {

// Command block, by offset; the control block has one register, device control and alternate
// status.
inline constexpr unsigned kData = 0;
inline constexpr unsigned kErrorFeatures = 1;
inline constexpr unsigned kCount = 2;  // Interrupt reason in a packet device.
inline constexpr unsigned kLbaLow = 3;
inline constexpr unsigned kLbaMid = 4;   // Byte count in a packet device.
inline constexpr unsigned kLbaHigh = 5;  // Byte count, high part.
inline constexpr unsigned kDevice = 6;
inline constexpr unsigned kStatusCommand = 7;

// Status.
inline constexpr u8 kBsy = 0x80;
inline constexpr u8 kDrdy = 0x40;
inline constexpr u8 kDsc = 0x10;
inline constexpr u8 kDrq = 0x08;
inline constexpr u8 kErr = 0x01;
// Error.
inline constexpr u8 kUnc = 0x40;
inline constexpr u8 kIdnf = 0x10;
inline constexpr u8 kAbrt = 0x04;
inline constexpr u8 kDiagnosticsPassed = 0x01;
// Device.
inline constexpr u8 kDeviceLba = 0x40;
inline constexpr u8 kDeviceSelect = 0x10;
inline constexpr u8 kDeviceObsolete = 0xa0;  // Ones in drives that remember ATA-1.
// Device control.
inline constexpr u8 kHob = 0x80;
inline constexpr u8 kSrst = 0x04;
inline constexpr u8 kNien = 0x02;

// Commands of both kinds of drive.
inline constexpr u8 kNop = 0x00;
inline constexpr u8 kDeviceReset = 0x08;
inline constexpr u8 kReadSectors = 0x20;
inline constexpr u8 kExecuteDeviceDiagnostic = 0x90;
inline constexpr u8 kPacket = 0xa0;
inline constexpr u8 kIdentifyPacketDevice = 0xa1;
inline constexpr u8 kIdentifyDevice = 0xec;
inline constexpr u8 kSetFeatures = 0xef;
inline constexpr u8 kStandbyImmediate = 0xe0;
inline constexpr u8 kIdleImmediate = 0xe1;
inline constexpr u8 kStandby = 0xe2;
inline constexpr u8 kIdle = 0xe3;
inline constexpr u8 kCheckPowerMode = 0xe5;
inline constexpr u8 kSleep = 0xe6;

// SET FEATURES.
inline constexpr u8 kFeatureTransferMode = 0x03;

}  // namespace doppel::devices::ata
