#include <algorithm>
#include <cstring>
#include <numeric>

#include <doctest/doctest.h>

#include "devices/fw_cfg.h"
#include "frontend/loaders/byte_view.h"
#include "frontend/loaders/elf_image.h"
#include "frontend/loaders/flat.h"
#include "frontend/loaders/linux.h"
#include "frontend/loaders/linuxboot.h"
#include "frontend/loaders/loader.h"
#include "frontend/loaders/multiboot.h"
#include "tests/support/kernel_images.h"

namespace doppel::frontend::loaders {
namespace {

using Choice = Options::LinuxEntry;

BootContext context_of(u64 ram_bytes, bool long_mode = true) {
  BootContext context;
  context.memory = MemoryMap::of_board(ram_bytes);
  context.acpi_rsdp = 0xf0000;
  context.long_mode = long_mode;
  return context;
}
const BootContext kPlenty = context_of(u64{64} << 20);

const Piece* piece_at(const BootPlan& plan, u64 address) {
  for (const Piece& piece : plan.pieces) {
    if (piece.address.value == address) return &piece;
  }
  return nullptr;
}

KernelFiles files_of(std::vector<u8> image) {
  KernelFiles files;
  files.name = "kernel";
  files.image = std::move(image);
  return files;
}

KernelFiles bz_image() { return files_of(test::linux_image(0x8000)); }

TEST_CASE("linux: enters a 64-bit kernel with boot_params in RSI and the payload at 1 MiB") {
  KernelFiles files = bz_image();
  files.append = "console=ttyS0";
  files.modules.push_back({"a", "a", std::vector<u8>(1001, 1)});
  files.modules.push_back({"b", "b", std::vector<u8>(7, 2)});
  const auto plan = plan_kernel(files, kPlenty, Choice::Auto);
  REQUIRE(plan.ok());
  CHECK(plan.value().entry.mode == Entry::Mode::Long64);
  CHECK(plan.value().entry.ip == 0x100200);
  const Piece* const params = piece_at(plan.value(), plan.value().entry.rsi);
  REQUIRE(params != nullptr);
  const ByteView view(params->bytes);
  CHECK(view.at<u32>(0x202) == 0x53726448);
  CHECK(view.at<u64>(0x70) == 0xf0000);
  CHECK(view.at<u8>(0x1e8) == kPlenty.memory.ranges().size());
  const Piece* const line = piece_at(plan.value(), view.at<u32>(0x228));
  REQUIRE(line != nullptr);
  CHECK(std::string(line->bytes.begin(), line->bytes.end() - 1) == "console=ttyS0");
  // Both disks, the second at a multiple of four.
  const Piece* const initrd = piece_at(plan.value(), view.at<u32>(0x218));
  REQUIRE(initrd != nullptr);
  CHECK(view.at<u32>(0x21c) == 1011);
  CHECK(initrd->bytes[1000] == 1);
  CHECK(initrd->bytes[1004] == 2);
  // It may not lie where the kernel unpacks itself.
  CHECK(initrd->address.value >= 0x2000000);
}

TEST_CASE("linux: takes the 32-bit entry where the processor or the kernel has no 64-bit one") {
  KernelFiles files = bz_image();
  const auto narrow = plan_kernel(files, context_of(u64{64} << 20, false), Choice::Auto);
  REQUIRE(narrow.ok());
  CHECK(narrow.value().entry.mode == Entry::Mode::Protected32);
  CHECK(narrow.value().entry.ip == 0x100000);
  put<u16>(files.image, 0x236, 0);
  const auto old = plan_kernel(files, kPlenty, Choice::Auto);
  REQUIRE(old.ok());
  CHECK(old.value().entry.mode == Entry::Mode::Protected32);
  CHECK_FALSE(plan_kernel(files, kPlenty, Choice::Bits64).ok());
}

TEST_CASE("linux: the real-mode entry starts the setup code 512 bytes into its segment") {
  const auto plan = plan_kernel(bz_image(), kPlenty, Choice::Bits16);
  REQUIRE(plan.ok());
  CHECK(plan.value().entry.mode == Entry::Mode::Real);
  CHECK(plan.value().entry.segment == plan.value().entry.data_segment + 0x20);
  const Piece* const setup = piece_at(plan.value(), u64{plan.value().entry.data_segment} << 4);
  REQUIRE(setup != nullptr);
  CHECK((setup->bytes[0x211] & 0x80) != 0);
  CHECK(ByteView(setup->bytes).at<u16>(0x224) != 0);
}

TEST_CASE("linux: damaged kernels and too little memory are refused with a reason") {
  KernelFiles cut = bz_image();
  cut.image.resize(cut.image.size() - 0x2000);
  CHECK_FALSE(plan_kernel(cut, kPlenty, Choice::Auto).ok());
  KernelFiles shorter = bz_image();
  shorter.image.resize(0x300);
  CHECK_FALSE(plan_kernel(shorter, kPlenty, Choice::Auto).ok());
  const auto small = plan_kernel(bz_image(), context_of(u64{16} << 20), Choice::Auto);
  REQUIRE_FALSE(small.ok());
  CHECK(small.error().message.find("-m") != std::string::npos);
  KernelFiles talkative = bz_image();
  talkative.append = std::string(3000, 'x');
  CHECK_FALSE(plan_kernel(talkative, kPlenty, Choice::Auto).ok());
  KernelFiles heavy = bz_image();
  heavy.modules.push_back({"a", "a", std::vector<u8>(u64{48} << 20)});
  CHECK_FALSE(plan_kernel(heavy, kPlenty, Choice::Auto).ok());
}

/// The item of fw_cfg with this number; empty if there is none.
std::vector<u8> numbered_item(const devices::BoardConfig& board, u16 key) {
  for (const auto& item : board.fw_cfg_numbered) {
    if (item.key == key) return item.bytes;
  }
  return {};
}

TEST_CASE("linuxboot: firmware is told of a ROM with sound sums, to be tried first, and of the files") {
  using devices::FwCfg;
  KernelFiles files = bz_image();
  files.append = "quiet";
  files.modules.push_back({"a", "a", std::vector<u8>(5000, 1)});
  devices::BoardConfig board;
  REQUIRE(add_linuxboot(files, kPlenty.memory, board).ok());
  REQUIRE(board.fw_cfg_items.size() == 2);
  const std::vector<u8>& rom = board.fw_cfg_items[0].bytes;
  CHECK(board.fw_cfg_items[0].name == "genroms/linuxboot.bin");
  REQUIRE(rom.size() == rom[2] * size_t{512});
  CHECK(ByteView(rom).at<u16>(0) == 0xaa55);
  CHECK(static_cast<u8>(std::accumulate(rom.begin(), rom.end(), 0u)) == 0);
  const u16 header = ByteView(rom).at<u16>(0x1a);
  CHECK(ByteView(rom).at<u32>(header) == 0x506e5024);
  CHECK(static_cast<u8>(std::accumulate(rom.begin() + header, rom.begin() + header + 32, 0u)) == 0);
  const std::vector<u8>& order = board.fw_cfg_items[1].bytes;
  CHECK(std::string(order.begin(), order.end()) == std::string("/rom@genroms/linuxboot.bin") + '\0');

  const std::vector<u8> setup = numbered_item(board, FwCfg::kSetupData);
  CHECK(ByteView(setup).at<u32>(0x218) == ByteView(numbered_item(board, FwCfg::kInitrdAddress)).at<u32>(0));
  CHECK(ByteView(setup).at<u32>(0x228) == ByteView(numbered_item(board, FwCfg::kCommandLineAddress)).at<u32>(0));
  CHECK(numbered_item(board, FwCfg::kInitrdData).size() == 5000);
  CHECK(ByteView(numbered_item(board, FwCfg::kKernelAddress)).at<u32>(0) == 0x100000);
  CHECK(numbered_item(board, FwCfg::kKernelData).size() == 0x8000);
  // Firmware's tables are at the end of RAM.
  CHECK(ByteView(setup).at<u32>(0x218) + 5000 <= (63u << 20));
}

TEST_CASE("linuxboot: anything but Linux is refused with its name") {
  KernelFiles files;
  files.name = "kernel";
  files.image.assign(4096, 0);
  devices::BoardConfig board;
  const auto added = add_linuxboot(files, kPlenty.memory, board);
  REQUIRE(!added.ok());
  CHECK(added.error().message.rfind("kernel: ", 0) == 0);
}

TEST_CASE("linux: no header byte can make the loader read or place outside its bounds") {
  for (u64 at = 0x1f1; at < 0x290; ++at) {
    for (const u8 value : {u8{0x00}, u8{0x7f}, u8{0x80}, u8{0xff}}) {
      KernelFiles files = bz_image();
      files.modules.push_back({"a", "a", std::vector<u8>(100)});
      files.image[at] = value;
      for (const Choice choice : {Choice::Auto, Choice::Bits16, Choice::Bits32}) {
        const auto plan = plan_kernel(files, kPlenty, choice);
        if (plan.ok()) CHECK(check_plan(plan.value(), kPlenty.memory).ok());
      }
    }
  }
}

std::vector<u8> elf_image(bool with_note) {
  return test::elf_image<Elf64_Ehdr, Elf64_Phdr>(ELFCLASS64, EM_X86_64, 0xffff'ffff'8020'0000, with_note);
}

TEST_CASE(
    "elf: an image without a protocol is entered in its own mode, at the physical place of its "
    "entry") {
  KernelFiles files;
  files.name = "kernel";
  files.image = elf_image(false);
  const auto plan = plan_kernel(files, kPlenty, Choice::Auto);
  REQUIRE(plan.ok());
  CHECK(plan.value().entry.mode == Entry::Mode::Long64);
  CHECK(plan.value().entry.ip == 0x200010);
  REQUIRE(piece_at(plan.value(), 0x200000) != nullptr);
  CHECK(piece_at(plan.value(), 0x200000)->size() == 4096);
  CHECK_FALSE(plan_kernel(files, context_of(u64{64} << 20, false), Choice::Auto).ok());
}

TEST_CASE("pvh: the Xen note gives the entry, EBX leads to the start information") {
  KernelFiles files;
  files.name = "kernel";
  files.image = elf_image(true);
  files.append = "hello";
  files.modules.push_back({"initrd", "initrd", std::vector<u8>(5000, 3)});
  const auto plan = plan_kernel(files, kPlenty, Choice::Auto);
  REQUIRE(plan.ok());
  CHECK(plan.value().kind == "pvh");
  CHECK(plan.value().entry.mode == Entry::Mode::Protected32);
  CHECK(plan.value().entry.ip == 0x200020);
  const Piece* const info = piece_at(plan.value(), plan.value().entry.rbx);
  REQUIRE(info != nullptr);
  const ByteView view(info->bytes);
  CHECK(view.at<u32>(0) == 0x336ec578);
  CHECK(view.at<u32>(12) == 1);
  const u64 module = view.at<u64>(16) - info->address.value;
  REQUIRE(piece_at(plan.value(), view.at<u64>(module)) != nullptr);
  CHECK(view.at<u64>(module + 8) == 5000);
}

TEST_CASE("elf: lying offsets, sizes and counts are refused, never followed") {
  for (const bool with_note : {false, true}) {
    for (u64 at = 4; at < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr); ++at) {
      for (const u8 value : {u8{0x00}, u8{0x01}, u8{0x7f}, u8{0xff}}) {
        KernelFiles files;
        files.name = "kernel";
        files.image = elf_image(with_note);
        files.image[at] = value;
        const auto plan = plan_kernel(files, kPlenty, Choice::Auto);
        if (plan.ok()) CHECK(check_plan(plan.value(), kPlenty.memory).ok());
      }
    }
  }
  for (size_t size = 0; size < 0x400; size += 7) {
    KernelFiles files;
    files.name = "kernel";
    files.image = elf_image(true);
    files.image.resize(size);
    (void)plan_kernel(files, kPlenty, Choice::Auto);
  }
}

KernelFiles multiboot1_image() { return files_of(test::multiboot1_image(0x1000)); }

TEST_CASE("multiboot: address fields place the image, EBX leads to memory map and modules") {
  KernelFiles files = multiboot1_image();
  files.append = "debug";
  files.modules.push_back({"mod", "mod arg", std::vector<u8>(10, 9)});
  const auto plan = plan_kernel(files, kPlenty, Choice::Auto);
  REQUIRE(plan.ok());
  CHECK(plan.value().entry.ip == 0x100100);
  CHECK(plan.value().entry.rax == 0x2badb002);
  CHECK(piece_at(plan.value(), 0x100000)->size() == 0x8000);
  const Piece* const info = piece_at(plan.value(), plan.value().entry.rbx);
  REQUIRE(info != nullptr);
  const ByteView view(info->bytes);
  CHECK((view.at<u32>(0) & 0x4f) == 0x4f);
  CHECK(view.at<u32>(8) == 63 * 1024);
  REQUIRE(view.at<u32>(20) == 1);
  const u64 module = view.at<u32>(24) - kMultibootInfo;
  REQUIRE(piece_at(plan.value(), view.at<u32>(module)) != nullptr);
  CHECK(view.at<u32>(module + 4) - view.at<u32>(module) == 10);
  const char* const text =
      reinterpret_cast<const char*>(info->bytes.data()) + (view.at<u32>(16) - kMultibootInfo);
  CHECK(std::string(text) == "kernel debug");
}

TEST_CASE("multiboot: damaged headers are refused, and demands that nobody can meet") {
  for (u64 at = 0x4c; at < 0x60; ++at) {
    for (const u8 value : {u8{0x00}, u8{0x01}, u8{0x20}, u8{0xff}}) {
      KernelFiles files = multiboot1_image();
      files.image[at] = value;
      const auto plan = plan_kernel(files, kPlenty, Choice::Auto);
      if (plan.ok()) CHECK(check_plan(plan.value(), kPlenty.memory).ok());
    }
  }
  KernelFiles demanding = multiboot1_image();
  put<u32>(demanding.image, 0x44, 0x10083);
  put<u32>(demanding.image, 0x48, 0u - 0x1badb002u - 0x10083u);
  CHECK_FALSE(plan_kernel(demanding, kPlenty, Choice::Auto).ok());
}

TEST_CASE("multiboot2: tags tell where to go and what is there; the list ends") {
  KernelFiles files = files_of(test::multiboot2_image(0x1000));
  const auto plan = plan_kernel(files, kPlenty, Choice::Auto);
  REQUIRE(plan.ok());
  CHECK(plan.value().kind == "multiboot2");
  CHECK(plan.value().entry.ip == 0x100200);
  const Piece* const info = piece_at(plan.value(), plan.value().entry.rbx);
  REQUIRE(info != nullptr);
  const ByteView view(info->bytes);
  u64 at = 8;
  bool map = false;
  while (at + 8 <= view.at<u32>(0) && view.at<u32>(at) != 0) {
    map = map || view.at<u32>(at) == 6;
    at = (at + view.at<u32>(at + 4) + 7) / 8 * 8;
  }
  CHECK(map);
  CHECK(view.at<u32>(at) == 0);
  // A header that announces more than the file has.
  put<u32>(files.image, 8, 0x8000);
  put<u32>(files.image, 12, 0u - 0xe85250d6u - 0x8000u);
  CHECK_FALSE(plan_kernel(files, kPlenty, Choice::Auto).ok());
}

TEST_CASE("flat: a boot sector goes to 0:7C00 with DL = 80h") {
  KernelFiles files;
  files.name = "disk";
  files.image.resize(1024);
  files.image[510] = 0x55;
  files.image[511] = 0xaa;
  const auto plan = plan_kernel(files, kPlenty, Choice::Auto);
  REQUIRE(plan.ok());
  CHECK(plan.value().entry.ip == 0x7c00);
  CHECK(plan.value().entry.rdx == 0x80);
  CHECK(piece_at(plan.value(), 0x7c00)->bytes.size() == 512);
}

TEST_CASE("loader: what is nothing known is refused with the file's name") {
  KernelFiles files;
  files.name = "cat.jpg";
  files.image.assign(5000, 0x41);
  const auto plan = plan_kernel(files, kPlenty, Choice::Auto);
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().message.starts_with("cat.jpg: "));
  files.image.clear();
  CHECK_FALSE(plan_kernel(files, kPlenty, Choice::Auto).ok());
}

TEST_CASE("loader: a file that does not fit at its address is refused with its name") {
  Options options;
  Options::LoadedFile file;
  file.path = "/proc/self/exe";
  for (const u64 address : {u64{0xa0000}, u64{0x7fff'ffff}, ~u64{0}}) {
    file.address = address;
    options.loaded_files = {file};
    BootPlan plan;
    const auto added = add_loaded_files(options, kPlenty, plan);
    REQUIRE_FALSE(added.ok());
    CHECK(added.error().message.starts_with("/proc/self/exe: "));
  }
}

TEST_CASE("boot_plan: two parts at one place are refused") {
  BootPlan plan;
  plan.pieces.push_back({PhysAddr(0x1000), std::vector<u8>(0x100)});
  plan.pieces.push_back({PhysAddr(0x10ff), std::vector<u8>(1)});
  CHECK_FALSE(check_plan(plan, kPlenty.memory).ok());
  plan.pieces[1].address = PhysAddr(0x1100);
  CHECK(check_plan(plan, kPlenty.memory).ok());
}

TEST_CASE("memory_map: RAM beyond the PCI hole goes on at 4 GiB") {
  const MemoryMap map = MemoryMap::of_board(u64{4} << 30);
  CHECK(map.low_end() == 0xc000'0000);
  CHECK(map.is_usable(u64{1} << 32, u64{1} << 30));
  CHECK_FALSE(map.is_usable(0xbfff'f000, 0x2000));
  CHECK_FALSE(map.is_usable(0x9f000, 0x1000));
  CHECK_FALSE(map.is_usable(0x1000, ~u64{0}));
}

}  // namespace
}  // namespace doppel::frontend::loaders
