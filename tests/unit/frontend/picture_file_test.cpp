#include "frontend/picture_file.h"

#include <cstdio>
#include <cstring>

#include <doctest/doctest.h>
#include <png.h>
#include <unistd.h>

#include "frontend/file.h"

namespace doppel::frontend {
namespace {

devices::Picture gradient(unsigned width, unsigned height) {
  devices::Picture picture;
  picture.width = width;
  picture.height = height;
  for (unsigned y = 0; y < height; ++y) {
    for (unsigned x = 0; x < width; ++x)
      picture.pixels.push_back(x << 16 | y << 8 | ((x ^ y) & 0xff));
  }
  return picture;
}

TEST_CASE("picture_file: a PNG has every pixel of the picture") {
  const devices::Picture picture = gradient(61, 43);
  const std::vector<u8> file = encode_png(picture).take();
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&image, file.data(), file.size()) != 0);
  CHECK(image.width == 61);
  CHECK(image.height == 43);
  CHECK(image.format == PNG_FORMAT_RGB);
  std::vector<u8> rgb(PNG_IMAGE_SIZE(image));
  REQUIRE(png_image_finish_read(&image, nullptr, rgb.data(), 0, nullptr) != 0);
  bool equal = rgb.size() == picture.pixels.size() * 3;
  for (size_t i = 0; equal && i < picture.pixels.size(); ++i) {
    const u32 pixel = static_cast<u32>(rgb[3 * i] << 16 | rgb[3 * i + 1] << 8 | rgb[3 * i + 2]);
    equal = pixel == picture.pixels[i];
  }
  CHECK(equal);
}

TEST_CASE("picture_file: a PPM is a heading and three bytes a pixel") {
  const std::vector<u8> file = encode_ppm(gradient(2, 2));
  const std::string heading = "P6\n2 2\n255\n";
  REQUIRE(file.size() == heading.size() + 12);
  CHECK(std::string(file.begin(), file.begin() + 11) == heading);
  CHECK(std::vector<u8>(file.begin() + 11, file.end()) ==
        std::vector<u8>{0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 0});
}

TEST_CASE("picture_file: the name decides the format, and errors name the file") {
  const std::string base = "/tmp/doppel_test_" + std::to_string(::getpid()) + "_picture";
  REQUIRE(write_picture(base + ".png", gradient(3, 3)).ok());
  REQUIRE(write_picture(base + ".pic", gradient(3, 3)).ok());
  CHECK(read_file(base + ".png").take()[0] == 0x89);
  CHECK(read_file(base + ".pic").take()[0] == 'P');
  std::remove((base + ".png").c_str());
  std::remove((base + ".pic").c_str());
  CHECK(write_picture("/nowhere/a.png", gradient(1, 1)).error().message.starts_with("/nowhere/a"));
  CHECK(write_picture("empty.png", {}).error().message == "empty.png: there is no picture");
}

}  // namespace
}  // namespace doppel::frontend
