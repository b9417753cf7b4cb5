#include "devices/floppy_drive.h"

#include <algorithm>
#include <array>

namespace doppel::devices {

namespace {

using enum FloppyDriveType;

constexpr std::array<FloppyGeometry, 8> kFormats{{
    {40, 1, 8, Kb360},    // 160K
    {40, 1, 9, Kb360},    // 180K
    {40, 2, 8, Kb360},    // 320K
    {40, 2, 9, Kb360},    // 360K
    {80, 2, 9, Kb720},    // 720K
    {80, 2, 15, Kb1200},  // 1.2M
    {80, 2, 18, Kb1440},  // 1.44M
    {80, 2, 36, Kb2880},  // 2.88M
}};

/// Drives have a few cylinders beyond the last that is used, then an end stop.
constexpr int kLastCylinder = 83;

/// A drive reads what fits through its slot and is no denser than what it was made for.
bool takes(FloppyDriveType drive, const FloppyGeometry& format) {
  switch (drive) {
    case None:
      return true;
    case Kb360:
    case Kb1200:
      return format.drive == Kb360 || format.drive == drive;
    case Kb720:
    case Kb1440:
    case Kb2880:
      return format.drive >= Kb720 && format.drive <= drive;
  }
  return false;
}

}  // namespace

std::optional<FloppyGeometry> floppy_geometry(u64 sectors) {
  for (const FloppyGeometry& format : kFormats) {
    if (format.sectors() == sectors) return format;
  }
  return std::nullopt;
}

void FloppyDrive::fit(FloppyDriveType type) {
  type_ = type;
  insert(nullptr);
}

bool FloppyDrive::insert(BlockBackend* medium) {
  std::optional<FloppyGeometry> geometry;
  if (medium != nullptr) {
    geometry = floppy_geometry(medium->sectors());
    if (!geometry || !takes(type_, *geometry)) return false;
    if (type_ == None) type_ = geometry->drive;
  }
  medium_ = medium;
  geometry_ = geometry;
  changed_ = true;
  return true;
}

void FloppyDrive::step(int steps) {
  if (steps == 0) return;
  position_ = static_cast<u8>(std::clamp(int{position_} + steps, 0, kLastCylinder));
  if (medium_ != nullptr) changed_ = false;
}

unsigned FloppyDrive::cylinder() const {
  const bool steps_twice = type_ == Kb1200 && geometry_ && geometry_->cylinders == 40;
  return steps_twice ? position_ / 2u : position_;
}

bool FloppyDrive::finds_ids(unsigned head, u8 rate) const {
  if (!geometry_ || head >= geometry_->heads || cylinder() >= geometry_->cylinders) return false;
  constexpr u8 k500 = 0, k300 = 1, k250 = 2, k1000 = 3;
  switch (geometry_->drive) {
    case Kb2880:
      return rate == k1000;
    case Kb1200:
    case Kb1440:
      return rate == k500;
    default:
      // 300 kbit/s is right where the disk turns at 360 rpm (in a 1.2M drive), 250 elsewhere.
      // Simplified: both are, since firmware does not agree on it.
      return rate == k300 || rate == k250;
  }
}

std::optional<u64> FloppyDrive::block(unsigned head, unsigned sector) const {
  if (!geometry_ || head >= geometry_->heads || cylinder() >= geometry_->cylinders || sector == 0 ||
      sector > geometry_->sectors_per_track) {
    return std::nullopt;
  }
  return (u64{cylinder()} * geometry_->heads + head) * geometry_->sectors_per_track + sector - 1;
}

bool FloppyDrive::read(unsigned head, unsigned sector, std::span<u8> out) {
  const std::optional<u64> number = block(head, sector);
  return number && medium_->read(*number, out);
}

bool FloppyDrive::write(unsigned head, unsigned sector, std::span<const u8> bytes) {
  const std::optional<u64> number = block(head, sector);
  return number && !is_write_protected() && medium_->write(*number, bytes);
}

void FloppyDrive::serialize(Archive& archive) {
  u64 sectors = geometry_ ? geometry_->sectors() : 0;
  const u64 present = sectors;
  archive(position_, changed_, sectors);
  if (position_ > kLastCylinder) {
    archive.fail("a floppy drive's head stands outside the drive");
    position_ = 0;
  }
  if (sectors != present) changed_ = true;
}

}  // namespace doppel::devices
