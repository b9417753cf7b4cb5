// Any bytes as a kernel: what the loaders make of it must lie in memory, or be refused.
//
// The last byte chooses the machine, Linux's entry, and whether the image is its own initial RAM disk or module.

#include <elf.h>

#include "cpu/base/check.h"
#include "devices/pc_board.h"
#include "frontend/loaders/byte_view.h"
#include "frontend/loaders/linux.h"
#include "frontend/loaders/linuxboot.h"
#include "frontend/loaders/loader.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/support/kernel_images.h"

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

}  // namespace

std::vector<std::vector<u8>> seeds() {
  constexpr size_t kSmall = 0x400;
  std::vector<std::vector<u8>> all = {
      test::linux_image(kSmall),
      test::multiboot1_image(kSmall),
      test::multiboot2_image(kSmall),
      test::elf_image<Elf64_Ehdr, Elf64_Phdr>(ELFCLASS64, EM_X86_64, 0xffff'ffff'8020'0000, true),
      test::elf_image<Elf32_Ehdr, Elf32_Phdr>(ELFCLASS32, EM_386, 0xc020'0000, false),
  };
  // A zImage.
  std::vector<u8> old = test::linux_image(kSmall);
  put<u16>(old, 0x206, 0x201);
  put<u8>(old, 0x211, 0);
  all.push_back(old);
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
