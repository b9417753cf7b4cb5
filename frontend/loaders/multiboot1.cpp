// Multiboot 1: a header in the first 8 KiB says what an image wants; EBX leads to what it gets.

#include <algorithm>
#include <optional>

#include "frontend/loaders/byte_view.h"
#include "frontend/loaders/elf_image.h"
#include "frontend/loaders/multiboot.h"

namespace doppel::frontend::loaders {
namespace {

constexpr u32 kHeaderMagic = 0x1bad'b002;
constexpr u32 kBootMagic = 0x2bad'b002;
constexpr u64 kSearchBytes = 8192;
constexpr u32 kAddressFields = 1u << 16;
// Page-aligned modules, a memory map and a video mode may be demanded; the last is never granted,
// as it is not by others: kernels look at the information's flags.
constexpr u32 kKnownDemands = 0x7;

constexpr u32 kInfoMemory = 1u << 0;
constexpr u32 kInfoBootDevice = 1u << 1;
constexpr u32 kInfoCommandLine = 1u << 2;
constexpr u32 kInfoModules = 1u << 3;
constexpr u32 kInfoMemoryMap = 1u << 6;
constexpr u32 kInfoLoaderName = 1u << 9;
constexpr u64 kInfoBytes = 120;

std::optional<u64> find_header(const ByteView& image) {
  const u64 end = std::min(image.size(), kSearchBytes);
  for (u64 at = 0; at + 12 <= end; at += 4) {
    if (image.at<u32>(at) != kHeaderMagic) continue;
    if (image.at<u32>(at) + image.at<u32>(at + 4) + image.at<u32>(at + 8) == 0) return at;
  }
  return std::nullopt;
}

/// The information structure with everything it points at.
Result<Piece, Error> information(const KernelFiles& files, const BootContext& context,
                                 const std::vector<PlacedModule>& modules) {
  std::vector<u8> info(kInfoBytes);
  const auto append_text = [&info](const std::string& text) {
    const u64 at = info.size();
    info.insert(info.end(), text.begin(), text.end());
    info.push_back(0);
    return static_cast<u32>(kMultibootInfo + at);
  };
  put<u32>(info, 0,
           kInfoMemory | kInfoBootDevice | kInfoCommandLine | kInfoModules | kInfoMemoryMap |
               kInfoLoaderName);
  put<u32>(info, 4, context.memory.lower_kib());
  put<u32>(info, 8, context.memory.upper_kib());
  put<u32>(info, 12, 0x8000'ffff);
  const u32 command_line =
      append_text(files.append.empty() ? files.name : files.name + " " + files.append);
  put<u32>(info, 16, command_line);
  const u32 loader_name = append_text("doppel");
  put<u32>(info, 64, loader_name);

  std::vector<u32> texts;
  for (const Module& module : files.modules) texts.push_back(append_text(module.arguments));
  info.resize((info.size() + 3) / 4 * 4);
  const u64 list = info.size();
  info.resize(list + modules.size() * 16);
  for (size_t i = 0; i < modules.size(); ++i) {
    put<u32>(info, list + i * 16, static_cast<u32>(modules[i].start));
    put<u32>(info, list + i * 16 + 4, static_cast<u32>(modules[i].end));
    put<u32>(info, list + i * 16 + 8, texts[i]);
  }
  put<u32>(info, 20, static_cast<u32>(modules.size()));
  put<u32>(info, 24, static_cast<u32>(kMultibootInfo + list));

  const u64 map = info.size();
  const auto& ranges = context.memory.ranges();
  info.resize(map + ranges.size() * 24);
  for (size_t i = 0; i < ranges.size(); ++i) {
    const u64 at = map + i * 24;
    put<u32>(info, at, 20);  // Size of what follows.
    put<u64>(info, at + 4, ranges[i].first);
    put<u64>(info, at + 12, ranges[i].size);
    put<u32>(info, at + 20, static_cast<u32>(ranges[i].type));
  }
  put<u32>(info, 44, static_cast<u32>(ranges.size() * 24));
  put<u32>(info, 48, static_cast<u32>(kMultibootInfo + map));
  if (info.size() > kMultibootInfoEnd - kMultibootInfo)
    return Error{"its command lines are too long"};
  return Piece{PhysAddr(kMultibootInfo), std::move(info)};
}

}  // namespace

bool is_multiboot1(const std::vector<u8>& image) {
  return find_header(ByteView(image)).has_value();
}

Result<BootPlan, Error> plan_multiboot1(const KernelFiles& files, const BootContext& context) {
  const ByteView image(files.image);
  const auto header = find_header(image);
  if (!header) return Error{"has no multiboot header"};
  const u32 flags = image.at<u32>(*header + 4);
  if ((flags & 0xffff & ~kKnownDemands) != 0)
    return Error{"demands multiboot features that do not exist"};

  BootPlan plan;
  plan.kind = "multiboot";
  plan.entry.mode = Entry::Mode::Protected32;
  u64 end = 0;
  if ((flags & kAddressFields) != 0) {
    AddressFields fields;
    fields.header = image.at<u32>(*header + 12);
    fields.load = image.at<u32>(*header + 16);
    fields.load_end = image.at<u32>(*header + 20);
    fields.bss_end = image.at<u32>(*header + 24);
    DOPPEL_TRY(Piece piece, raw_piece(files.image, *header, fields, context.memory));
    plan.entry.ip = image.at<u32>(*header + 28);
    end = piece.end();
    plan.pieces.push_back(std::move(piece));
  } else {
    DOPPEL_TRY(const ElfImage elf, parse_elf(files.image));
    DOPPEL_TRY(plan.pieces, elf_pieces(elf, files.image, context.memory));
    plan.entry.ip = elf.physical_of(elf.entry).value_or(elf.entry);
    end = elf.physical_end();
  }
  DOPPEL_TRY(const std::vector<PlacedModule> modules, place_modules(files, context, end, plan));
  DOPPEL_TRY(Piece info, information(files, context, modules));
  plan.pieces.push_back(std::move(info));
  plan.pieces.push_back(gdt_piece(plan.entry.mode));
  plan.entry.rax = kBootMagic;
  plan.entry.rbx = kMultibootInfo;
  return plan;
}

}  // namespace doppel::frontend::loaders
