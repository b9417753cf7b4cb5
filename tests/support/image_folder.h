#pragma once

// A folder for image files that ends with the test.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <stdlib.h>

#include "devices/disk_image.h"

namespace doppel::test {

class ImageFolder {
 public:
  ImageFolder() {
    // Syncs cost nothing in memory.
    std::error_code ignored;
    const std::filesystem::path memory = "/dev/shm";
    const bool has_memory = std::filesystem::is_directory(memory, ignored);
    const auto parent = has_memory ? memory : std::filesystem::temp_directory_path();
    std::string name = (parent / "doppel-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~ImageFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string put(const std::string& name, const std::vector<u8>& bytes) const {
    std::ofstream file(folder_ / name, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path(name);
  }
  std::vector<u8> get(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

 private:
  std::filesystem::path folder_;
};

inline std::unique_ptr<devices::BlockBackend> open_image(const devices::DiskImageOptions& options) {
  auto opened = devices::open_disk_image(options);
  const std::string problem = opened.ok() ? "" : opened.error().message;
  REQUIRE_MESSAGE(opened.ok(), problem);
  return opened.take();
}

/// The one line that says why the image was refused; empty if it was not.
inline std::string refusal(const devices::DiskImageOptions& options) {
  const auto opened = devices::open_disk_image(options);
  return opened.ok() ? std::string() : opened.error().message;
}

/// `count` sectors, each filled with a byte of its own beginning at `first`.
inline std::vector<u8> sectors_of(unsigned first, unsigned count) {
  std::vector<u8> bytes;
  for (unsigned i = 0; i < count; ++i) bytes.insert(bytes.end(), 512, static_cast<u8>(first + i));
  return bytes;
}

inline std::vector<u8> read_sectors(devices::BlockBackend& disk, u64 sector, u64 count) {
  std::vector<u8> bytes(count * 512, 0xee);
  REQUIRE(disk.read(sector, bytes));
  return bytes;
}

}  // namespace doppel::test
