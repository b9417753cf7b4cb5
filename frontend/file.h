#pragma once

// Whole files, in and out, with errors that name the file and the reason.

#include <string>
#include <string_view>
#include <vector>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::frontend {

/// @errors "NAME: reason"; also for directories and for files over `limit_bytes`.
Result<std::vector<u8>, Error> read_file(const std::string& path, u64 limit_bytes = u64{2} << 30);
/// The first `limit_bytes` of a file, or all of it.
Result<std::vector<u8>, Error> read_beginning(const std::string& path, size_t limit_bytes);
/// Replaces the file as a whole: a reader never sees half of it.
Result<void, Error> write_file(const std::string& path, const void* bytes, size_t size);
bool file_exists(const std::string& path);
bool is_directory(const std::string& path);

}  // namespace doppel::frontend
