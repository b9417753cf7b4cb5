// What -drive says of the host's side of a disk: caches, discarding, errors.
//
// QEMU's cache modes are names for sets of three switches, which can be given one by one too:
//
//     mode           write-back   direct   no-flush
//     writeback      on                              the default
//     none           on           on
//     writethrough
//     directsync                  on
//     unsafe         on                    on

#include <algorithm>
#include <initializer_list>

#include "frontend/option_table.h"

namespace doppel::frontend {
namespace {

struct CacheMode {
  std::string_view name;
  devices::DiskCache cache;
};

// clang-format off
constexpr CacheMode kCacheModes[] = {
    {"writeback",    {.write_back = true,  .direct = false, .no_flush = false}},
    {"none",         {.write_back = true,  .direct = true,  .no_flush = false}},
    {"writethrough", {.write_back = false, .direct = false, .no_flush = false}},
    {"directsync",   {.write_back = false, .direct = true,  .no_flush = false}},
    {"unsafe",       {.write_back = true,  .direct = false, .no_flush = true}},
};
// clang-format on

OptionResult take_word(PropertyList& list, std::string_view key,
                       std::initializer_list<std::string_view> words, std::string& out) {
  const auto text = list.take(key);
  if (!text) return {};
  out = *text;
  if (std::find(words.begin(), words.end(), out) != words.end()) return {};
  std::string message = std::string(key) + "=" + out + " is not ";
  for (const std::string_view word : words) {
    message += word;
    if (word != *(words.end() - 1)) message += word == *(words.end() - 2) ? " or " : ", ";
  }
  return Error{message};
}

OptionResult take_cache(PropertyList& list, devices::DiskCache& cache) {
  if (const auto name = list.take("cache")) {
    const auto* const mode = std::find_if(std::begin(kCacheModes), std::end(kCacheModes),
                                          [&](const CacheMode& known) { return known.name == *name; });
    if (mode == std::end(kCacheModes))
      return Error{"cache=" + *name + " is not writeback, none, writethrough, directsync or unsafe"};
    cache = mode->cache;
  }
  DOPPEL_TRY(take_flag(list, "cache.writeback", cache.write_back));
  DOPPEL_TRY(take_flag(list, "cache.direct", cache.direct));
  return take_flag(list, "cache.no-flush", cache.no_flush);
}

}  // namespace

std::string cache_mode_name(const devices::DiskCache& cache) {
  for (const CacheMode& mode : kCacheModes) {
    if (mode.cache == cache) return std::string(mode.name);
  }
  std::string name = cache.write_back ? "writeback" : "writethrough";
  if (cache.direct) name += ", direct";
  if (cache.no_flush) name += ", ignore flushes";
  return name;
}

OptionResult take_flag(PropertyList& list, std::string_view key, bool& out) {
  const auto text = list.take(key);
  if (!text) return {};
  const auto on = parse_switch(*text);
  if (!on) return Error{std::string(key) + "=" + *text + " is not on or off"};
  out = *on;
  return {};
}

OptionResult take_host_modes(PropertyList& list, DriveOptions& drive) {
  DOPPEL_TRY(take_cache(list, drive.cache));
  std::string word;
  DOPPEL_TRY(take_word(list, "discard", {"unmap", "on", "ignore", "off"}, word));
  drive.unmap = word == "unmap" || word == "on";
  // Nothing runs in the background, and zeros are stored as what they are.
  DOPPEL_TRY(take_word(list, "aio", {"threads", "native", "io_uring"}, word));
  DOPPEL_TRY(take_word(list, "detect-zeroes", {"off", "on", "unmap"}, word));
  // The guest is told of every error. A machine that stopped, or a guest that is told of nothing,
  // would be something else.
  for (const std::string_view key : {"werror", "rerror"}) {
    word = "report";
    DOPPEL_TRY(take_word(list, key, {"report", "enospc", "stop", "ignore"}, word));
    if (word == "stop" || word == "ignore")
      return Error{std::string(key) + "=" + word + ": errors are always reported to the guest"};
  }
  return {};
}

}  // namespace doppel::frontend
