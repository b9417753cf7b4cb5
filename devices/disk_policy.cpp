#include "devices/disk_policy.h"

namespace doppel::devices {

bool DiskPolicy::write(u64 sector, std::span<const u8> bytes) {
  return disk_->write(sector, bytes) && (!rules_.write_through || disk_->flush());
}

bool DiskPolicy::discard(u64 sector, u64 count) {
  if (rules_.keeps_discarded) return true;
  return disk_->discard(sector, count) && (!rules_.write_through || disk_->flush());
}

}  // namespace doppel::devices
