#pragma once

// The contents of a disk in a file, as a raw image with holes, and back.
//
// Bringing a disk back compares and writes what differs, through the disk itself. So it does not
// matter what the disk is kept in, an image written in place stays sound at every moment, and a
// state that differs in little costs little.

#include <string>

#include "cpu/base/result.h"
#include "devices/block_backend.h"

namespace doppel::frontend {

/// A hash of the contents. @errors "NAME: reason"
Result<u64, Error> copy_disk(devices::BlockBackend& disk, const std::string& path);
/// `path` has the disk's size and was checked. @errors "NAME: reason"
Result<void, Error> bring_disk_back(devices::BlockBackend& disk, const std::string& path);
/// Tells a disk from another, by its size and beginning. 0: cannot be read.
u64 disk_fingerprint(devices::BlockBackend& disk);

}  // namespace doppel::frontend
