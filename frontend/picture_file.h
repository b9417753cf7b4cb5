#pragma once

// Pictures as files: PNG through libpng, PPM by hand.

#include <string>
#include <vector>

#include "cpu/base/result.h"
#include "devices/display.h"

namespace doppel::frontend {

/// @errors a sentence, if there is nothing in the picture or libpng refuses it.
Result<std::vector<u8>, Error> encode_png(const devices::Picture& picture);
/// "P6": a heading, then three bytes a pixel.
std::vector<u8> encode_ppm(const devices::Picture& picture);

enum class PictureFormat : u8 { ByName, Png, Ppm };
/// `ByName`: PNG if the name ends so, PPM otherwise. @errors "NAME: reason"
Result<void, Error> write_picture(const std::string& path, const devices::Picture& picture,
                                  PictureFormat format = PictureFormat::ByName);

}  // namespace doppel::frontend
