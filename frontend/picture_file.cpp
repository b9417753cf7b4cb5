#include "frontend/picture_file.h"

#include <cstring>

#include <png.h>

#include "frontend/file.h"

namespace doppel::frontend {
namespace {

/// Three bytes a pixel, without gaps.
std::vector<u8> rgb_bytes(const devices::Picture& picture) {
  std::vector<u8> bytes;
  bytes.reserve(picture.pixels.size() * 3);
  for (const u32 pixel : picture.pixels) {
    bytes.push_back(static_cast<u8>(pixel >> 16));
    bytes.push_back(static_cast<u8>(pixel >> 8));
    bytes.push_back(static_cast<u8>(pixel));
  }
  return bytes;
}

bool is_whole(const devices::Picture& picture) {
  return picture.width != 0 && picture.height != 0 &&
         picture.pixels.size() == size_t{picture.width} * picture.height;
}

}  // namespace

Result<std::vector<u8>, Error> encode_png(const devices::Picture& picture) {
  if (!is_whole(picture)) return Error{"there is no picture"};
  const std::vector<u8> rgb = rgb_bytes(picture);
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = picture.width;
  image.height = picture.height;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<u8> file(size);
  if (png_image_write_to_memory(&image, file.data(), &size, 0, rgb.data(), 0, nullptr) == 0)
    return Error{std::string("libpng: ") + image.message};
  file.resize(size);
  return file;
}

std::vector<u8> encode_ppm(const devices::Picture& picture) {
  const std::string heading =
      "P6\n" + std::to_string(picture.width) + " " + std::to_string(picture.height) + "\n255\n";
  std::vector<u8> file(heading.begin(), heading.end());
  const std::vector<u8> rgb = rgb_bytes(picture);
  file.insert(file.end(), rgb.begin(), rgb.end());
  return file;
}

Result<void, Error> write_picture(const std::string& path, const devices::Picture& picture,
                                  PictureFormat format) {
  if (!is_whole(picture)) return Error{path + ": there is no picture"};
  std::vector<u8> file;
  const bool named_png = format == PictureFormat::ByName && path.ends_with(".png");
  if (format == PictureFormat::Png || named_png) {
    auto encoded = encode_png(picture);
    if (!encoded.ok()) return Error{path + ": " + encoded.error().message};
    file = encoded.take();
  } else {
    file = encode_ppm(picture);
  }
  return write_file(path, file.data(), file.size());
}

}  // namespace doppel::frontend
