#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "cpu/base/result.h"
#include "frontend/media_change.h"
#include "frontend/options.h"

namespace doppel::frontend {

/// Opens the images behind the drives that were asked for.
/// @errors "NAME: reason"
Result<std::vector<devices::BoardConfig::Drive>, Error> open_drives(const Options& options);

/// Opens an image as what a drive of this kind takes. @errors "NAME: reason"
Result<std::unique_ptr<devices::BlockBackend>, Error> open_drive_image(
    const devices::DiskImageOptions& options, devices::BoardConfig::Drive::Kind kind, MediumUse use);

/// "raw", "qcow2", "detect", and back.
std::string_view disk_format_name(devices::DiskImageOptions::Format format);
std::optional<devices::DiskImageOptions::Format> disk_format_named(std::string_view name);

}  // namespace doppel::frontend
