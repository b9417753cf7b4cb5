// PVH: a kernel is entered in flat 32-bit mode with EBX at a block that describes the machine.
// @source Xen, xen/include/public/arch-x86/hvm/start_info.h

#include <algorithm>

#include "frontend/loaders/elf_image.h"
#include "frontend/loaders/pvh_start_info.h"

namespace doppel::frontend::loaders {
namespace {

constexpr u32 kMagic = 0x336e'c578;
constexpr u32 kVersion = 1;  // With the memory map.
constexpr u64 kInfoBytes = 56;
constexpr u64 kModuleBytes = 32;
constexpr u64 kRangeBytes = 24;

}  // namespace

Result<u64, Error> add_start_info(const KernelFiles& files, const BootContext& context, u64 floor,
                                  BootPlan& plan) {
  // Below 1 MiB stand our own tables.
  u64 bottom = std::max<u64>(floor, 0x100000);
  u64 ceiling = context.memory.low_end();
  std::vector<u64> module_addresses;
  for (const Module& module : files.modules) {
    const auto place = context.memory.place_high(module.bytes.size(), bottom, ceiling);
    if (!place) return Error{"there is no room for " + module.name + " (-m gives more)"};
    module_addresses.push_back(*place);
    plan.pieces.push_back({PhysAddr(*place), module.bytes});
    ceiling = *place;
  }

  // One block: the information, the module list, the memory map, then the texts.
  const auto& ranges = context.memory.ranges();
  const u64 modules_at = kInfoBytes;
  const u64 ranges_at = modules_at + files.modules.size() * kModuleBytes;
  u64 text_at = ranges_at + ranges.size() * kRangeBytes;
  u64 size = text_at + files.append.size() + 1;
  for (const Module& module : files.modules) size += module.arguments.size() + 1;
  const auto place = context.memory.place_high(size, bottom, ceiling);
  if (!place) return Error{"leaves no room for the start information (-m gives more)"};
  const u64 base = *place;

  std::vector<u8> block(size);
  const auto put_text = [&](const std::string& text) {
    const u64 at = text_at;
    std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(at));
    text_at += text.size() + 1;
    return base + at;
  };
  put<u32>(block, 0, kMagic);
  put<u32>(block, 4, kVersion);
  put<u32>(block, 12, static_cast<u32>(files.modules.size()));
  put<u64>(block, 16, files.modules.empty() ? 0 : base + modules_at);
  put<u64>(block, 24, put_text(files.append));
  put<u64>(block, 32, context.acpi_rsdp);
  put<u64>(block, 40, base + ranges_at);
  put<u32>(block, 48, static_cast<u32>(ranges.size()));
  for (size_t i = 0; i < files.modules.size(); ++i) {
    const u64 at = modules_at + i * kModuleBytes;
    put<u64>(block, at, module_addresses[i]);
    put<u64>(block, at + 8, files.modules[i].bytes.size());
    put<u64>(block, at + 16, put_text(files.modules[i].arguments));
  }
  for (size_t i = 0; i < ranges.size(); ++i) {
    const u64 at = ranges_at + i * kRangeBytes;
    put<u64>(block, at, ranges[i].first);
    put<u64>(block, at + 8, ranges[i].size);
    put<u32>(block, at + 16, static_cast<u32>(ranges[i].type));
  }
  plan.pieces.push_back({PhysAddr(base), std::move(block)});
  return base;
}

Result<BootPlan, Error> plan_pvh(const KernelFiles& files, const BootContext& context, u64 entry) {
  DOPPEL_TRY(const ElfImage elf, parse_elf(files.image));
  if (entry > 0xffff'ffff) return Error{"has a PVH entry above 4 GiB"};
  BootPlan plan;
  plan.kind = "pvh";
  DOPPEL_TRY(plan.pieces, elf_pieces(elf, files.image, context.memory));
  DOPPEL_TRY(plan.entry.rbx, add_start_info(files, context, elf.physical_end(), plan));
  plan.entry.mode = Entry::Mode::Protected32;
  plan.entry.ip = entry;
  plan.pieces.push_back(gdt_piece(plan.entry.mode));
  return plan;
}

}  // namespace doppel::frontend::loaders
