// Any bytes as a kernel: what the loaders make of it must lie in memory, or be refused.
//
// The last byte chooses the machine, Linux's entry, and whether the image is its own initial RAM disk or module.

#include <cstring>
#include <span>
#include <string>

#include <elf.h>

#include "cpu/base/check.h"
#include "devices/pc_board.h"
#include "frontend/loaders/byte_view.h"
#include "frontend/loaders/linux.h"
#include "frontend/loaders/linuxboot.h"
#include "frontend/loaders/loader.h"
#include "tests/fuzz/fuzzer.h"

namespace doppel::fuzz {
namespace {

using namespace frontend::loaders;
using Choice = frontend::Options::LinuxEntry;

constexpr u64 kRamBytes[] = {u64{1} << 20, u64{16} << 20, u64{64} << 20, u64{5} << 30};
constexpr Choice kChoices[] = {Choice::Auto, Choice::Bits16, Choice::Bits32, Choice::Bits64};

/// What the last byte says.
struct Circumstances {
  explicit Circumstances(u8 byte)
      : ram_bytes(kRamBytes[byte & 3]), entry(kChoices[byte >> 2 & 3]), long_mode((byte & 0x10) == 0), has_module((byte & 0x20) == 0) {}
  u64 ram_bytes;
  Choice entry;
  bool long_mode;
  bool has_module;
};

std::vector<u8> linux_image(u16 protocol, u8 load_flags) {
  std::vector<u8> image(5 * 512 + 0x400, 0);
  put<u8>(image, 0x1f1, 4);
  put<u32>(image, 0x1f4, 0x400 / 16);
  put<u16>(image, 0x1fe, 0xaa55);
  put<u16>(image, 0x200, 0x6aeb);
  put<u32>(image, 0x202, 0x53726448);
  put<u16>(image, 0x206, protocol);
  put<u8>(image, 0x211, load_flags);
  put<u32>(image, 0x214, 0x100000);
  put<u32>(image, 0x22c, 0x7fffffff);
  put<u32>(image, 0x230, 0x200000);
  put<u16>(image, 0x236, 1);
  put<u32>(image, 0x238, 2047);
  put<u64>(image, 0x258, 0x100000);
  put<u32>(image, 0x260, 0x100000);
  return image;
}

std::vector<u8> multiboot1_image() {
  constexpr u32 kMagic = 0x1badb002, kFlags = 0x10003;
  std::vector<u8> image(0x400, 0x90);
  put<u32>(image, 0x10, kMagic);
  put<u32>(image, 0x14, kFlags);
  put<u32>(image, 0x18, 0 - kMagic - kFlags);
  put<u32>(image, 0x1c, 0x100010);
  put<u32>(image, 0x20, 0x100000);
  put<u32>(image, 0x24, 0x100400);
  put<u32>(image, 0x28, 0x101000);
  put<u32>(image, 0x2c, 0x100080);
  return image;
}

std::vector<u8> multiboot2_image() {
  constexpr u32 kMagic = 0xe85250d6, kLength = 16 + 24 + 16 + 8;
  std::vector<u8> image(0x400, 0x90);
  put<u32>(image, 0x40, kMagic);
  put<u32>(image, 0x44, 0);
  put<u32>(image, 0x48, kLength);
  put<u32>(image, 0x4c, 0 - kMagic - kLength);
  put<u32>(image, 0x50, 2);  // Addresses.
  put<u32>(image, 0x54, 24);
  put<u32>(image, 0x58, 0x100040);
  put<u32>(image, 0x5c, 0x100000);
  put<u32>(image, 0x60, 0x100400);
  put<u32>(image, 0x64, 0x101000);
  put<u32>(image, 0x68, 3);  // Entry.
  put<u32>(image, 0x6c, 12);
  put<u32>(image, 0x70, 0x100100);
  put<u32>(image, 0x78, 0);
  put<u32>(image, 0x7c, 8);
  return image;
}

/// One segment, and a PVH note in it.
template <class Header, class Segment>
std::vector<u8> elf_image(u8 klass, u16 machine) {
  std::vector<u8> image(0x400, 0);
  Header header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = klass;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = machine;
  header.e_version = EV_CURRENT;
  header.e_entry = 0x200000;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Segment);
  header.e_phnum = 2;
  Segment segments[2] = {};
  segments[0].p_type = PT_LOAD;
  segments[0].p_offset = 0x200;
  segments[0].p_vaddr = segments[0].p_paddr = 0x200000;
  segments[0].p_filesz = 0x40;
  segments[0].p_memsz = 0x1000;
  segments[1].p_type = PT_NOTE;
  segments[1].p_offset = 0x300;
  segments[1].p_filesz = segments[1].p_memsz = 20;
  std::memcpy(image.data(), &header, sizeof header);
  std::memcpy(image.data() + sizeof header, segments, sizeof segments);
  put<u32>(image, 0x300, 4);
  put<u32>(image, 0x304, 4);
  put<u32>(image, 0x308, 18);
  std::memcpy(image.data() + 0x30c, "Xen", 4);
  put<u32>(image, 0x310, 0x200010);
  return image;
}

}  // namespace

std::vector<std::vector<u8>> seeds() {
  std::vector<std::vector<u8>> all = {
      linux_image(0x20f, 1),
      linux_image(0x201, 0),
      multiboot1_image(),
      multiboot2_image(),
      elf_image<Elf64_Ehdr, Elf64_Phdr>(ELFCLASS64, EM_X86_64),
      elf_image<Elf32_Ehdr, Elf32_Phdr>(ELFCLASS32, EM_386),
  };
  std::vector<u8> sector(512, 0x90);
  put<u16>(sector, 510, 0xaa55);
  all.push_back(sector);
  for (std::vector<u8>& image : all) image.push_back(2);
  return all;
}

}  // namespace doppel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const doppel::u8* data, size_t size) {
  using namespace doppel;
  using namespace doppel::fuzz;
  if (size == 0) return 0;
  const Circumstances circumstances(data[size - 1]);
  BootContext context;
  context.memory = MemoryMap::of_board(circumstances.ram_bytes);
  context.acpi_rsdp = 0xf0000;
  context.rsdp.assign(36, 0);
  context.long_mode = circumstances.long_mode;
  KernelFiles files;
  files.name = "kernel";
  files.image.assign(data, data + size - 1);
  files.append = "console=ttyS0";
  if (circumstances.has_module) files.modules.push_back({"module", "module with arguments", files.image});

  const auto plan = plan_kernel(files, context, circumstances.entry);
  if (plan.ok()) {
    const auto checked = check_plan(plan.value(), context.memory);
    DOPPEL_CHECK(checked.ok() || !checked.error().message.empty(), "a refusal without a reason");
    u64 bytes = 0;
    for (const Piece& piece : plan.value().pieces) bytes += piece.size();
    DOPPEL_CHECK(bytes <= circumstances.ram_bytes || !checked.ok(), "more than memory holds");
  } else {
    DOPPEL_CHECK(!plan.error().message.empty(), "a refusal without a reason");
  }
  devices::BoardConfig board;
  (void)add_linuxboot(files, context.memory, board);
  return 0;
}
