#pragma once

// What a person does to a removable drive: puts a disk in, takes it out, or presses its button.
//
// It enters the machine like any input. A recording keeps it as a line of text, with the file's name
// and not its contents: a replay opens the same file.
//
//     eject [-f] DRIVE
//     change [-f] DRIVE raw|qcow2|detect rw|ro FILE

#include <memory>
#include <string>
#include <string_view>

#include "cpu/base/result.h"
#include "devices/disk_image.h"
#include "devices/pc_board.h"

namespace doppel::frontend {

struct MediaChange {
  std::string drive;   ///< Its name; has no blanks.
  bool force = false;  ///< Also where the guest has locked the door.
  std::string file;    ///< Empty: the medium is taken out.
  devices::DiskImageOptions::Format format = devices::DiskImageOptions::Format::Detect;
  bool read_only = false;
  /// What open_medium() made of it.
  std::shared_ptr<devices::BlockBackend> medium;

  std::string text() const;
  /// @errors what is wrong with the text
  static Result<MediaChange, Error> parse(std::string_view text);
};

/// Whether two machines that know nothing of each other use the medium.
enum class MediumUse : u8 { Alone, Twice };

/// Opens the file of a change for this drive. @errors "NAME: reason"
Result<void, Error> open_medium(MediaChange& change, const devices::BoardConfig::Drive& drive,
                                MediumUse use);

}  // namespace doppel::frontend
