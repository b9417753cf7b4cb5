#include "frontend/loaders/flat.h"

#include "frontend/loaders/real_mode_services.h"

namespace doppel::frontend::loaders {
namespace {

constexpr u64 kSectorBytes = 512;
constexpr u64 kBootSector = 0x7c00;
constexpr u8 kFirstHardDisk = 0x80;

}  // namespace

bool is_boot_sector(const std::vector<u8>& image) {
  return image.size() >= kSectorBytes && image.size() % kSectorBytes == 0 && image[510] == 0x55 &&
         image[511] == 0xaa;
}

Result<BootPlan, Error> plan_boot_sector(const KernelFiles& files, const BootContext& context) {
  if (!files.modules.empty()) return Error{"is a boot sector: -initrd means nothing to it"};
  if (!files.append.empty()) return Error{"is a boot sector: -append means nothing to it"};
  BootPlan plan;
  plan.kind = "boot sector";
  plan.pieces = real_mode_service_pieces(context.memory);
  plan.pieces.push_back(
      {PhysAddr(kBootSector), {files.image.begin(), files.image.begin() + kSectorBytes}});
  plan.entry.mode = Entry::Mode::Real;
  plan.entry.ip = kBootSector;
  plan.entry.stack_pointer = kBootSector;
  plan.entry.rdx = kFirstHardDisk;
  return plan;
}

Entry entry_at(u64 address) {
  Entry entry;
  if (address < 0x100000) {
    entry.mode = Entry::Mode::Real;
    entry.segment = static_cast<u16>((address >> 4) & 0xf000);
    entry.ip = address & 0xffff;
    entry.stack_pointer = kBootSector;
  } else {
    entry.mode = Entry::Mode::Protected32;
    entry.ip = address;
    entry.stack_pointer = kBootSector;
  }
  return entry;
}

}  // namespace doppel::frontend::loaders
