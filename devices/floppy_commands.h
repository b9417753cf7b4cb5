#pragma once

#include <array>

#include "cpu/base/types.h"

namespace doppel::devices {

/// What the first byte of a command asks an 82077AA for.
enum class FloppyCommand : u8 {
  Invalid,
  ReadTrack,
  Specify,
  SenseDriveStatus,
  WriteData,
  ReadData,
  Recalibrate,
  SenseInterruptStatus,
  WriteDeletedData,
  ReadId,
  ReadDeletedData,
  FormatTrack,
  Dumpreg,
  Seek,
  RelativeSeek,
  Version,
  PerpendicularMode,
  Configure,
  Lock,
  Verify,
};

struct FloppyCommandForm {
  u8 mask;    ///< Bits of the first byte that are fixed.
  u8 code;    ///< What they are.
  u8 length;  ///< Bytes of the command phase, the first included.
  FloppyCommand command;
};

/// No command is longer.
inline constexpr unsigned kFloppyCommandBytes = 9;

// clang-format off
/// The bits left free are MT (80h), MFM (40h) and SK (20h); for RELATIVE SEEK DIR (40h), for LOCK its
/// value (80h). What has no row (SCAN, PART ID, SAVE, ...) belongs to the 82077AA's relatives.
/// @source  Intel 82077AA data sheet, "Command Set/Descriptions" (table 5-1)
inline constexpr std::array kFloppyCommands{
    FloppyCommandForm{0xbf, 0x02, 9, FloppyCommand::ReadTrack},
    FloppyCommandForm{0xff, 0x03, 3, FloppyCommand::Specify},
    FloppyCommandForm{0xff, 0x04, 2, FloppyCommand::SenseDriveStatus},
    FloppyCommandForm{0x3f, 0x05, 9, FloppyCommand::WriteData},
    FloppyCommandForm{0x1f, 0x06, 9, FloppyCommand::ReadData},
    FloppyCommandForm{0xff, 0x07, 2, FloppyCommand::Recalibrate},
    FloppyCommandForm{0xff, 0x08, 1, FloppyCommand::SenseInterruptStatus},
    FloppyCommandForm{0x3f, 0x09, 9, FloppyCommand::WriteDeletedData},
    FloppyCommandForm{0xbf, 0x0a, 2, FloppyCommand::ReadId},
    FloppyCommandForm{0x1f, 0x0c, 9, FloppyCommand::ReadDeletedData},
    FloppyCommandForm{0xbf, 0x0d, 6, FloppyCommand::FormatTrack},
    FloppyCommandForm{0xff, 0x0e, 1, FloppyCommand::Dumpreg},
    FloppyCommandForm{0xff, 0x0f, 3, FloppyCommand::Seek},
    FloppyCommandForm{0xbf, 0x8f, 3, FloppyCommand::RelativeSeek},
    FloppyCommandForm{0xff, 0x10, 1, FloppyCommand::Version},
    FloppyCommandForm{0xff, 0x12, 2, FloppyCommand::PerpendicularMode},
    FloppyCommandForm{0xff, 0x13, 4, FloppyCommand::Configure},
    FloppyCommandForm{0x7f, 0x14, 1, FloppyCommand::Lock},
    FloppyCommandForm{0x1f, 0x16, 9, FloppyCommand::Verify},
};
// clang-format on

/// A byte that begins no command is a whole command by itself: an invalid one.
constexpr FloppyCommandForm floppy_command(u8 first_byte) {
  for (const FloppyCommandForm& form : kFloppyCommands) {
    if ((first_byte & form.mask) == form.code) return form;
  }
  return {0xff, first_byte, 1, FloppyCommand::Invalid};
}

}  // namespace doppel::devices
