// The Linux boot protocol: bzImage, and the zImage before it.
//
//     file:   | boot sector + setup, (setup_sects + 1) * 512 | kernel ("payload") ...
//     memory: 08000 descriptors   09000 page tables   10000 boot_params (or setup code)
//             20000 command line  100000 payload      ... initial RAM disk at the top
//
// A kernel is entered by the widest door that it and the processor share: 64-bit, 32-bit, or the
// original one in real mode, whose setup code asks firmware for the memory map. There is no
// firmware in a direct boot, so that door comes with the few services in real_mode_services.cpp.

#include "frontend/loaders/linux.h"

#include <algorithm>
#include <cstring>

#include "cpu/base/bits.h"
#include "frontend/loaders/byte_view.h"
#include "frontend/loaders/real_mode_services.h"

namespace doppel::frontend::loaders {
namespace {

// Offsets in the setup header. @source boot.rst, "The Real-Mode Kernel Header"
constexpr u64 kSetupSects = 0x1f1;
constexpr u64 kSysSize = 0x1f4;
constexpr u64 kVideoMode = 0x1fa;
constexpr u64 kBootFlag = 0x1fe;
constexpr u64 kJump = 0x200;
constexpr u64 kHeader = 0x202;
constexpr u64 kVersion = 0x206;
constexpr u64 kTypeOfLoader = 0x210;
constexpr u64 kLoadFlags = 0x211;
constexpr u64 kCode32Start = 0x214;
constexpr u64 kRamdiskImage = 0x218;
constexpr u64 kRamdiskSize = 0x21c;
constexpr u64 kHeapEnd = 0x224;
constexpr u64 kCommandLine = 0x228;
constexpr u64 kInitrdAddrMax = 0x22c;
constexpr u64 kKernelAlignment = 0x230;
constexpr u64 kRelocatable = 0x234;
constexpr u64 kXLoadFlags = 0x236;
constexpr u64 kCommandLineSize = 0x238;
constexpr u64 kPrefAddress = 0x258;
constexpr u64 kInitSize = 0x260;
constexpr u64 kHeaderEnd = 0x290;  // Nothing of the header reaches past here.

// Fields of boot_params. @source zero-page.rst
constexpr u64 kAcpiRsdp = 0x070;
constexpr u64 kAltMemK = 0x1e0;
constexpr u64 kE820Count = 0x1e8;
constexpr u64 kE820Table = 0x2d0;

constexpr u8 kLoadedHigh = 1u << 0;
constexpr u8 kCanUseHeap = 1u << 7;
constexpr u16 kKernel64 = 1u << 0;
constexpr u8 kUnregisteredLoader = 0xff;

constexpr u64 kBootParams = 0x10000;
constexpr u64 kCommandLineAt = 0x20000;
constexpr u64 kLoadHigh = 0x100000;
constexpr u64 kLoadLow = 0x10000;
/// Firmware keeps its tables at the end of low memory.
constexpr u64 kFirmwareKeeps = 0x100000;

/// What the header says, with the defaults of the versions that did not say it yet.
struct Header {
  u16 version = 0;
  u64 setup_bytes = 0;
  bool high = false;
  bool has_64_bit_entry = false;
  u64 initrd_max = 0x37ff'ffff;
  u64 command_line_max = 255;
  u64 load = kLoadLow;
  u64 runtime_end = 0;  ///< End of what the kernel uses before it knows the memory map.
};

Result<Header, Error> read_header(const ByteView& image) {
  Header header;
  const u8 sectors = image.at<u8>(kSetupSects);
  header.setup_bytes = (u64{sectors == 0 ? u8{4} : sectors} + 1) * 512;
  if (image.size() <= header.setup_bytes)
    return Error{"is cut short: the setup code alone is longer"};
  if (image.at<u32>(kHeader) == 0x5372'6448) header.version = image.at<u16>(kVersion);
  const u16 version = header.version;
  const u64 payload = image.size() - header.setup_bytes;
  const u64 announced =
      u64{version >= 0x204 ? image.at<u32>(kSysSize) : image.at<u16>(kSysSize)} * 16;
  // The count is in paragraphs, so the last one may be begun only.
  if (announced > payload + 15) return Error{"is cut short: its header announces more"};

  header.high = version >= 0x200 && (image.at<u8>(kLoadFlags) & kLoadedHigh) != 0;
  header.load = header.high ? kLoadHigh : kLoadLow;
  if (version >= 0x203) header.initrd_max = image.at<u32>(kInitrdAddrMax);
  if (version >= 0x206) header.command_line_max = image.at<u32>(kCommandLineSize);
  header.command_line_max = std::min<u64>(header.command_line_max, 0xffff);
  header.has_64_bit_entry = version >= 0x20c && (image.at<u16>(kXLoadFlags) & kKernel64) != 0;
  header.runtime_end = header.load + payload;
  if (version >= 0x20a && header.high) {
    u64 start = image.at<u64>(kPrefAddress);
    const u64 alignment = image.at<u32>(kKernelAlignment);
    if (image.at<u8>(kRelocatable) != 0 && std::has_single_bit(alignment)) {
      start = std::max(start, align_up(header.load, alignment));
    }
    const u64 end = start + image.at<u32>(kInitSize);
    if (start > (u64{1} << 32)) return Error{"wants to run above 4 GiB"};
    header.runtime_end = std::max(header.runtime_end, end);
  }
  return header;
}

std::vector<u8> joined_initrd(const std::vector<Module>& modules) {
  std::vector<u8> all;
  for (const Module& module : modules) {
    // The kernel looks for each archive at a multiple of four bytes.
    all.resize(align_up(all.size(), 4));
    all.insert(all.end(), module.bytes.begin(), module.bytes.end());
  }
  return all;
}

/// What every entry needs beside setup code or boot_params, and the kernel.
struct Accompaniment {
  Piece command_line;
  Piece initrd;  // Empty if there is none.
};

/// Places the RAM disk and the command line, and tells the header about them.
Result<Accompaniment, Error> place_accompaniment(const KernelFiles& files, const MemoryMap& memory,
                                                 const Header& header, u64 command_line_at,
                                                 std::vector<u8>& setup) {
  Accompaniment placed;
  if (files.append.size() > header.command_line_max) {
    return Error{"its command line may have " + std::to_string(header.command_line_max) +
                 " characters, not " + std::to_string(files.append.size())};
  }
  if (!memory.is_usable(header.load, header.runtime_end - header.load) && header.high) {
    return Error{"needs " + std::to_string((header.runtime_end >> 20) + 1) +
                 " MiB of RAM to start (-m)"};
  }
  std::vector<u8> command_line(files.append.begin(), files.append.end());
  command_line.push_back(0);
  placed.command_line = {PhysAddr(command_line_at), std::move(command_line)};
  if (header.version >= 0x202) put<u32>(setup, kCommandLine, static_cast<u32>(command_line_at));
  if (header.version >= 0x200) put<u8>(setup, kTypeOfLoader, kUnregisteredLoader);
  put<u16>(setup, kVideoMode, 0xffff);  // The mode that is on.

  std::vector<u8> initrd = joined_initrd(files.modules);
  if (initrd.empty()) return placed;
  if (header.version < 0x200) return Error{"is too old for an initial RAM disk"};
  const u64 floor = std::max(header.runtime_end, kLoadHigh);
  const auto place = memory.place_high(initrd.size(), floor, header.initrd_max + 1);
  if (!place) {
    return Error{"there is no room for the initial RAM disk of " +
                 std::to_string(initrd.size() >> 10) + " KiB (-m gives more)"};
  }
  put<u32>(setup, kRamdiskImage, static_cast<u32>(*place));
  put<u32>(setup, kRamdiskSize, static_cast<u32>(initrd.size()));
  placed.initrd = {PhysAddr(*place), std::move(initrd)};
  return placed;
}

std::vector<u8> payload_of(const KernelFiles& files, const Header& header) {
  return {files.image.begin() + static_cast<std::ptrdiff_t>(header.setup_bytes), files.image.end()};
}

/// 32-bit and 64-bit entry: the setup code is not run, boot_params takes the place of what it
/// finds.
Result<BootPlan, Error> plan_wide(const KernelFiles& files, const BootContext& context,
                                  const Header& header, bool bits64) {
  const ByteView image(files.image);
  BootPlan plan;
  plan.kind = bits64 ? "linux 64-bit" : "linux 32-bit";
  std::vector<u8> params(4096);
  const u64 header_end = std::min<u64>(kHeader + image.at<u8>(kJump + 1), kHeaderEnd);
  const auto copied = image.slice(kSetupSects, header_end - kSetupSects);
  std::copy(copied.begin(), copied.end(), params.begin() + kSetupSects);
  DOPPEL_TRY(Accompaniment placed,
             place_accompaniment(files, context.memory, header, kCommandLineAt, params));
  plan.pieces.push_back(std::move(placed.command_line));
  if (!placed.initrd.bytes.empty()) plan.pieces.push_back(std::move(placed.initrd));

  put<u64>(params, kAcpiRsdp, context.acpi_rsdp);
  put<u32>(params, kAltMemK, context.memory.upper_kib());
  u8 count = 0;
  for (const MemoryRange& range : context.memory.ranges()) {
    const u64 at = kE820Table + u64{count++} * 20;
    put<u64>(params, at, range.first);
    put<u64>(params, at + 8, range.size);
    put<u32>(params, at + 16, static_cast<u32>(range.type));
  }
  put<u8>(params, kE820Count, count);
  plan.pieces.push_back({PhysAddr(kBootParams), std::move(params)});
  plan.pieces.push_back({PhysAddr(header.load), payload_of(files, header)});

  plan.entry.mode = bits64 ? Entry::Mode::Long64 : Entry::Mode::Protected32;
  plan.entry.ip = header.load + (bits64 ? 0x200 : 0);
  plan.entry.rsi = kBootParams;
  plan.pieces.push_back(bios_data_piece());
  plan.pieces.push_back(gdt_piece(plan.entry.mode));
  if (bits64) {
    plan.entry.page_table = kPageTables;
    plan.pieces.push_back(identity_map_piece());
  }
  return plan;
}

/// Real-mode entry: the setup code runs as after a boot loader under firmware.
Result<RealModeLinux, Error> lay_out_real(const KernelFiles& files, const MemoryMap& memory,
                                          const Header& header) {
  // Old setup code must lie at 90000h and find its command line in the same segment.
  const bool old = header.version < 0x202 || !header.high;
  const u64 base = old ? 0x90000 : 0x10000;
  const u64 heap_end = old ? 0x9000 : 0xe000;
  if (header.setup_bytes > 0x8000) return Error{"its setup code is longer than 32 KiB"};
  std::vector<u8> setup(files.image.begin(),
                        files.image.begin() + static_cast<std::ptrdiff_t>(header.setup_bytes));
  setup.resize(std::max<size_t>(setup.size(), 0x1000));
  DOPPEL_TRY(Accompaniment placed,
             place_accompaniment(files, memory, header, base + heap_end, setup));
  if (header.version >= 0x201) {
    put<u8>(setup, kLoadFlags, static_cast<u8>(setup[kLoadFlags] | kCanUseHeap));
    put<u16>(setup, kHeapEnd, static_cast<u16>(heap_end - 0x200));
  }
  if (header.version >= 0x200)
    put<u32>(setup, kCode32Start, static_cast<u32>(header.high ? kLoadHigh : 0x1000));
  if (header.version < 0x202) {
    constexpr u16 kMagic = 0xa33f;
    put<u16>(setup, 0x20, kMagic);
    put<u16>(setup, 0x22, static_cast<u16>(heap_end));
  }
  return RealModeLinux{{PhysAddr(base), std::move(setup)},
                       std::move(placed.command_line),
                       std::move(placed.initrd),
                       {PhysAddr(header.load), payload_of(files, header)}};
}

/// The same without firmware, but with the services that the setup code asks for.
Result<BootPlan, Error> plan_real(const KernelFiles& files, const BootContext& context,
                                  const Header& header) {
  DOPPEL_TRY(RealModeLinux parts, lay_out_real(files, context.memory, header));
  const u64 base = parts.setup.address.value;
  BootPlan plan;
  plan.kind = "linux 16-bit";
  plan.entry.mode = Entry::Mode::Real;
  plan.entry.data_segment = static_cast<u16>(base >> 4);
  plan.entry.segment = static_cast<u16>((base >> 4) + 0x20);
  plan.entry.stack_pointer = parts.command_line.address.value - base;
  for (Piece* piece : {&parts.setup, &parts.command_line, &parts.initrd, &parts.payload}) {
    if (!piece->bytes.empty()) plan.pieces.push_back(std::move(*piece));
  }
  for (Piece& piece : real_mode_service_pieces(context.memory))
    plan.pieces.push_back(std::move(piece));
  return plan;
}

}  // namespace

bool is_linux(const std::vector<u8>& image) {
  const ByteView view(image);
  if (view.at<u16>(kBootFlag) != 0xaa55) return false;
  if (view.at<u32>(kHeader) == 0x5372'6448) return true;
  // Before protocol 2.00 nothing but the shape tells: root flags, sizes and a payload that is as
  // long as announced.
  const u8 sectors = view.at<u8>(kSetupSects);
  const u64 setup = (u64{sectors == 0 ? u8{4} : sectors} + 1) * 512;
  const u64 payload = u64{view.at<u16>(kSysSize)} * 16;
  return image.size() > 0x10000 && payload > 0x4000 && image.size() >= setup &&
         image.size() - setup <= payload && image.size() - setup + 16 > payload;
}

Result<RealModeLinux, Error> linux_under_firmware(const KernelFiles& files,
                                                  const MemoryMap& memory) {
  DOPPEL_TRY(Header header, read_header(ByteView(files.image)));
  const u64 usable_end = memory.low_end() - std::min(memory.low_end(), kFirmwareKeeps);
  header.initrd_max = std::min(header.initrd_max, usable_end - 1);
  return lay_out_real(files, memory, header);
}

Result<BootPlan, Error> plan_linux(const KernelFiles& files, const BootContext& context,
                                   Options::LinuxEntry entry) {
  using Choice = Options::LinuxEntry;
  DOPPEL_TRY(const Header header, read_header(ByteView(files.image)));
  const bool has_32_bit_entry = header.version >= 0x202 && header.high;
  if (entry == Choice::Auto) {
    entry = header.has_64_bit_entry && context.long_mode ? Choice::Bits64
            : has_32_bit_entry                           ? Choice::Bits32
                                                         : Choice::Bits16;
  }
  if (entry == Choice::Bits64 && !header.has_64_bit_entry) return Error{"has no 64-bit entry"};
  if (entry == Choice::Bits64 && !context.long_mode)
    return Error{"has no 64-bit entry for a 32-bit processor"};
  if (entry == Choice::Bits32 && !has_32_bit_entry) return Error{"has no 32-bit entry"};
  if (entry == Choice::Bits16) return plan_real(files, context, header);
  return plan_wide(files, context, header, entry == Choice::Bits64);
}

}  // namespace doppel::frontend::loaders
