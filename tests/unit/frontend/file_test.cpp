#include "frontend/file.h"

#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/image_folder.h"

namespace doppel::frontend {
namespace {

TEST_CASE("file: a link stays one, and what it leads to is written") {
  const test::ImageFolder folder;
  const std::string target = folder.path("target");
  const std::string link = folder.path("link");
  REQUIRE(write_file(target, "old text", 8).ok());
  std::filesystem::create_symlink(target, link);
  REQUIRE(write_file(link, "new", 3).ok());
  CHECK(std::filesystem::is_symlink(link));
  const auto written = read_file(target);
  REQUIRE(written.ok());
  CHECK(std::string(written.value().begin(), written.value().end()) == "new");
  CHECK_FALSE(file_exists(target + ".part"));
  CHECK_FALSE(file_exists(link + ".part"));
}

}  // namespace
}  // namespace doppel::frontend
