// Disks that come and go while the machine runs.

#include <utility>

#include "devices/pc_board_parts.h"

namespace doppel::devices {

using Kind = BoardConfig::Drive::Kind;

const std::vector<BoardConfig::Drive>& PcBoard::drives() const { return parts_->config.drives; }

AtapiCdrom* PcBoard::Parts::cdrom_of(const BoardConfig::Drive& drive) const {
  if (drive.kind != Kind::Cdrom || drive.place >= cdroms.size()) return nullptr;
  return cdroms[drive.place];
}

PcBoard::Door PcBoard::door(size_t drive) const {
  const BoardConfig::Drive& place = parts_->config.drives.at(drive);
  const AtapiCdrom* cdrom = parts_->cdrom_of(place);
  if (cdrom == nullptr) return {.is_removable = place.kind == Kind::Floppy};
  return {.is_removable = true, .is_open = cdrom->is_tray_open(), .is_locked = cdrom->is_locked()};
}

bool PcBoard::change_medium(size_t drive, std::shared_ptr<BlockBackend> medium, std::string file) {
  BoardConfig::Drive& place = parts_->config.drives.at(drive);
  if (AtapiCdrom* cdrom = parts_->cdrom_of(place)) {
    cdrom->insert(medium.get());
  } else if (place.kind != Kind::Floppy || !parts_->floppy.insert(place.place, medium.get())) {
    return false;
  }
  // The chip has let go of the old one.
  place.medium = std::move(medium);
  place.file = place.medium ? std::move(file) : std::string();
  return true;
}

void PcBoard::press_eject_button(size_t drive) {
  if (AtapiCdrom* cdrom = parts_->cdrom_of(parts_->config.drives.at(drive))) cdrom->press_eject_button();
}

}  // namespace doppel::devices
