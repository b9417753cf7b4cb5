#include "devices/ata_disk.h"

#include <algorithm>
#include <utility>

#include "devices/ata_identify.h"

namespace doppel::devices {

using namespace ata;

namespace {

// Commands; those with a second form "without retries" are even.
constexpr u8 kDataSetManagement = 0x06;
constexpr u8 kRecalibrate = 0x10;  // To 1Fh.
constexpr u8 kReadSectorsExt = 0x24;
constexpr u8 kReadDmaExt = 0x25;
constexpr u8 kReadNativeMaxExt = 0x27;
constexpr u8 kReadMultipleExt = 0x29;
constexpr u8 kWriteSectors = 0x30;
constexpr u8 kWriteSectorsExt = 0x34;
constexpr u8 kWriteDmaExt = 0x35;
constexpr u8 kWriteMultipleExt = 0x39;
constexpr u8 kVerify = 0x40;
constexpr u8 kVerifyExt = 0x42;
constexpr u8 kSeek = 0x70;  // To 7Fh.
constexpr u8 kInitializeParameters = 0x91;
constexpr u8 kSmart = 0xb0;
constexpr u8 kReadMultiple = 0xc4;
constexpr u8 kWriteMultiple = 0xc5;
constexpr u8 kSetMultiple = 0xc6;
constexpr u8 kReadDma = 0xc8;
constexpr u8 kWriteDma = 0xca;
constexpr u8 kFlushCache = 0xe7;
constexpr u8 kFlushCacheExt = 0xea;
constexpr u8 kReadNativeMax = 0xf8;
// The power commands have moved to E0h and following since; both places work.
constexpr u8 kOldStandbyImmediate = 0x94;
constexpr u8 kOldIdleImmediate = 0x95;
constexpr u8 kOldStandby = 0x96;
constexpr u8 kOldIdle = 0x97;
constexpr u8 kOldCheckPowerMode = 0x98;
constexpr u8 kOldSleep = 0x99;

constexpr u32 kMostMultiple = 16;
/// What 28 bits can count.
constexpr u64 kMostShort = 0x0fff'ffff;

// The geometry that programs without LBA see, until they ask for another.
constexpr u8 kHeads = 16;
constexpr u8 kSectorsPerTrack = 63;
constexpr u64 kMostCylinders = 16'383;

}  // namespace

AtaDisk::AtaDisk(std::string name, BlockBackend& backend, std::string serial)
    : IdeDrive(std::move(name)),
      backend_(backend),
      serial_(std::move(serial)),
      heads_(kHeads),
      sectors_per_track_(kSectorsPerTrack) {}

void AtaDisk::power_on() {
  IdeDrive::power_on();
  multiple_ = 0;
  heads_ = kHeads;
  sectors_per_track_ = kSectorsPerTrack;
  write_cache_ = backend_.has_write_cache();
  look_ahead_ = smart_ = true;
  standby_ = false;
}

void AtaDisk::forget_command() {
  task_ = Task::None;
  remaining_ = 0;
}

// --- Commands ---

void AtaDisk::execute(u8 code) {
  task_ = Task::None;
  addressing_ = Addressing::Short;
  failure_ = 0;
  if ((code & 0xf0) == kRecalibrate) return succeed_later();
  if ((code & 0xf0) == kSeek) {
    return find_address() && in_range(lba_, 1) ? succeed_later() : fail_later(kIdnf);
  }
  switch (code) {
    case kReadSectors:
    case kReadSectors + 1:
      return begin(Task::ReadPio, Addressing::Short);
    case kReadSectorsExt:
      return begin(Task::ReadPio, Addressing::Extended);
    case kReadMultiple:
      return begin(Task::ReadPio, Addressing::Short, multiple_);
    case kReadMultipleExt:
      return begin(Task::ReadPio, Addressing::Extended, multiple_);
    case kWriteSectors:
    case kWriteSectors + 1:
      return begin(Task::WritePio, Addressing::Short);
    case kWriteSectorsExt:
      return begin(Task::WritePio, Addressing::Extended);
    case kWriteMultiple:
      return begin(Task::WritePio, Addressing::Short, multiple_);
    case kWriteMultipleExt:
      return begin(Task::WritePio, Addressing::Extended, multiple_);
    case kReadDma:
    case kReadDma + 1:
      return begin(Task::ReadDma, Addressing::Short, kMostSectorsAPiece);
    case kReadDmaExt:
      return begin(Task::ReadDma, Addressing::Extended, kMostSectorsAPiece);
    case kWriteDma:
    case kWriteDma + 1:
      return begin(Task::WriteDma, Addressing::Short, kMostSectorsAPiece);
    case kWriteDmaExt:
      return begin(Task::WriteDma, Addressing::Extended, kMostSectorsAPiece);
    case kVerify:
    case kVerify + 1:
      return begin(Task::Verify, Addressing::Short, kMostSectorsAPiece);
    case kVerifyExt:
      return begin(Task::Verify, Addressing::Extended, kMostSectorsAPiece);
    case kDataSetManagement:
      return begin_trim();
    case kSetMultiple:
      return set_multiple();
    case kInitializeParameters:
      return set_geometry();
    case kReadNativeMax:
      return show_last_address(Addressing::Short);
    case kReadNativeMaxExt:
      return show_last_address(Addressing::Extended);
    case kSetFeatures:
      return set_features();
    case kSmart:
      return smart();
    case kFlushCache:
    case kFlushCacheExt:
      return flush() ? succeed_later() : fail_later(kAbrt);
    case kIdentifyDevice:
      task_ = Task::Identify;
      return be_busy(kCommandNs);
    case kCheckPowerMode:
    case kOldCheckPowerMode:
      set_reg(kCount, standby_ ? 0x00 : 0xff);
      return succeed_later();
    case kIdle:
    case kIdleImmediate:
    case kOldIdle:
    case kOldIdleImmediate:
      standby_ = false;
      return succeed_later();
    case kStandby:
    case kStandbyImmediate:
    case kSleep:
    case kOldStandby:
    case kOldStandbyImmediate:
    case kOldSleep:
      // Simplified: sleep is left by any command, not only by a reset; timers never run out.
      standby_ = true;
      return succeed_later();
    default:
      return fail_later(kAbrt);
  }
}

void AtaDisk::succeed_later() {
  task_ = Task::Succeed;
  be_busy(kCommandNs);
}

void AtaDisk::fail_later(u8 error) {
  task_ = Task::Fail;
  failure_ = error;
  be_busy(kCommandNs);
}

void AtaDisk::set_multiple() {
  const u8 count = reg(kCount);
  const bool valid = count <= kMostMultiple && (count & (count - 1)) == 0;
  multiple_ = valid ? count : 0;
  if (valid) {
    succeed_later();
  } else {
    fail_later(kAbrt);
  }
}

void AtaDisk::set_geometry() {
  if (reg(kCount) == 0) return fail_later(kAbrt);
  sectors_per_track_ = reg(kCount);
  heads_ = static_cast<u8>((device() & 0x0f) + 1);
  succeed_later();
}

void AtaDisk::show_last_address(Addressing addressing) {
  if (backend_.sectors() == 0 || (device() & kDeviceLba) == 0) return fail_later(kAbrt);
  const u64 last = backend_.sectors() - 1;
  addressing_ = addressing;
  show_address(addressing == Addressing::Short ? std::min(last, kMostShort) : last);
  succeed_later();
}

void AtaDisk::set_features() {
  switch (reg(kErrorFeatures)) {
    case kFeatureTransferMode:
      return set_transfer_mode(reg(kCount)) ? succeed_later() : fail_later(kAbrt);
    case 0x02:
    case 0x82:
      // What was written into the cache so far is not to be forgotten when it goes.
      if (reg(kErrorFeatures) == 0x02 ? !backend_.has_write_cache() : !flush()) {
        return fail_later(kAbrt);
      }
      write_cache_ = reg(kErrorFeatures) == 0x02;
      return succeed_later();
    case 0xaa:
    case 0x55:
      look_ahead_ = reg(kErrorFeatures) == 0xaa;
      return succeed_later();
    case 0x05:  // Power and noise, either way, and whether a soft reset restores defaults.
    case 0x85:
    case 0x42:
    case 0xc2:
    case 0x66:
    case 0xcc:
      return succeed_later();
    default:
      return fail_later(kAbrt);
  }
}

bool AtaDisk::flush() { return backend_.is_read_only() || backend_.flush(); }

/// Enough to say that the disk is well; it keeps no attributes.
void AtaDisk::smart() {
  if (reg(kLbaMid) != 0x4f || reg(kLbaHigh) != 0xc2) return fail_later(kAbrt);
  const u8 operation = reg(kErrorFeatures);
  if (operation == 0xd8 || operation == 0xd9) {
    smart_ = operation == 0xd8;
    return succeed_later();
  }
  // RETURN STATUS: the two registers keep their values while no threshold is exceeded.
  if (operation == 0xda && smart_) return succeed_later();
  fail_later(kAbrt);
}

// --- IDENTIFY DEVICE ---

void AtaDisk::identify() {
  const u64 sectors = backend_.sectors();
  const u64 cylinders = std::min(sectors / (kHeads * kSectorsPerTrack), kMostCylinders);
  const u64 track_sectors = u64{heads_} * sectors_per_track_;
  const u64 current_cylinders = std::min(
      std::min(sectors, kMostCylinders * kHeads * kSectorsPerTrack) / track_sectors, u64{0xffff});
  AtaIdentify page;
  page.set(0, 0x0040);  // Not removable.
  page.set(1, cylinders);
  page.set(3, kHeads);
  page.set(6, kSectorsPerTrack);
  page.set_names(serial_, "doppel hard disk");
  page.set(47, 0x8000 | kMostMultiple);
  page.set(48, 0x0001);  // 32-bit accesses to the data port.
  page.set(49, 0x0f00);  // DMA, LBA, IORDY.
  page.set(50, 0x4000);
  page.set(51, 0x0200);
  page.set(52, 0x0200);
  page.set(54, current_cylinders);
  page.set(55, heads_);
  page.set(56, sectors_per_track_);
  page.set_dword(57, current_cylinders * track_sectors);
  page.set(59, multiple_ != 0 ? 0x0100 | multiple_ : 0);
  page.set_dword(60, std::min(sectors, kMostShort));
  page.set_transfer_modes(dma_mode());
  page.set_interface(unit());
  // NOP, look-ahead, a write cache, power management, SMART; then what of it is switched on.
  page.set(82, 0x4049 | (backend_.has_write_cache() ? 0x20 : 0));
  page.set(85, 0x4008 | (look_ahead_ ? 0x40 : 0) | (write_cache_ ? 0x20 : 0) | (smart_ ? 1 : 0));
  // Both FLUSH CACHE commands, 48-bit addresses.
  page.set(83, 0x7400);
  page.set(86, 0x3400);
  page.set(84, 0x4000);
  page.set(87, 0x4000);
  page.set_dword(100, sectors);
  page.set_dword(102, sectors >> 32);
  page.set(105, kMostTrimPages);
  page.set(106, 0x4000);  // Sectors of 512 bytes, also inside.
  page.set(169, backend_.is_read_only() ? 0 : 1);
  page.write(fresh_buffer(AtaIdentify::kBytes));
}

// --- Saved state ---

void AtaDisk::serialize(Archive& archive) {
  IdeDrive::serialize(archive);
  archive(task_, addressing_, failure_, lba_, remaining_, block_, multiple_, heads_,
          sectors_per_track_, write_cache_, look_ahead_, smart_, standby_);
  const bool possible = task_ <= Task::Trim && addressing_ <= Addressing::Extended &&
                        remaining_ <= 0x1'0000 && multiple_ <= kMostMultiple && heads_ >= 1 &&
                        heads_ <= 16 && sectors_per_track_ >= 1;
  if (!possible) {
    archive.fail("a hard disk's state is not as it can be");
    heads_ = kHeads;
    sectors_per_track_ = kSectorsPerTrack;
    multiple_ = 0;
    forget_command();
  }
}

}  // namespace doppel::devices
