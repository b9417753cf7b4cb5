#pragma once

// How often the clusters of a qcow2 image are referred to, found out by following every reference.
//
// A process that is killed leaves clusters that count as used and are not: counts rise before the
// references are written. Nothing is lost but room. So an image says in its header that somebody
// may have left it that way (the dirty bit), and the next writer compares the counts with what this
// finds.

#include <optional>
#include <vector>

#include "cpu/base/types.h"
#include "devices/disk_image_file.h"
#include "devices/disk_image_qcow2_header.h"

namespace doppel::devices {

/// By cluster, for the whole file. None: the image is damaged, or larger than this is made for.
/// @source  QEMU, docs/interop/qcow2, "Host cluster management", "Snapshots"
std::optional<std::vector<u16>> count_qcow2_references(ImageFile& file, const Qcow2Header& header);

}  // namespace doppel::devices
