#include "devices/ide_controller.h"

#include <utility>

namespace doppel::devices {

namespace {

constexpr unsigned kSidetim = 0x44;
constexpr unsigned kBusMasterBar = 4;

}  // namespace

IdeController::IdeController(mmu::PhysicalMemory& memory, mmu::IoMap& ports, Scheduler& scheduler,
                             IrqLine& primary, IrqLine& secondary)
    : PciFunction("ide", Identity{.vendor = 0x8086,
                                  .device = 0x7010,
                                  .revision = 0,
                                  .class_code = 0x01'0180,
                                  .subsystem_vendor = 0x1af4,
                                  .subsystem = 0x1100}),
      masters_{IdeBusMaster(memory), IdeBusMaster(memory)},
      channels_{IdeChannel("ide.primary", scheduler, primary, masters_[0]),
                IdeChannel("ide.secondary", scheduler, secondary, masters_[1])},
      master_ports_(*this) {
  define_word(pci_config::kCommand, 0, pci_config::kCommandIo | pci_config::kCommandMaster);
  define_word(pci_config::kStatus, 0x0280, 0);
  define_word(kIdetim, 0, 0xffff);
  define_word(kIdetim + 2, 0, 0xffff);
  define_byte(kSidetim, 0, 0xff);
  add_bar(kBusMasterBar, BarKind::Io, kChannels * IdeBusMaster::kPorts, ports, master_ports_);
}

void IdeController::attach(unsigned channel, unsigned unit, std::unique_ptr<IdeDrive> drive) {
  this->channel(channel).attach(unit, std::move(drive));
}

const IdeDrive* IdeController::drive(unsigned channel, unsigned unit) const {
  return channels_[channel % kChannels].drive(unit);
}

void IdeController::enable_ports() {
  for (unsigned i = 0; i < kChannels; ++i) write_config(kIdetim + 2 * i, 2, kDecodeEnable);
}

u64 IdeController::sectors_moved() const {
  u64 sum = 0;
  for (const IdeChannel& channel : channels_) {
    for (unsigned unit = 0; unit < IdeChannel::kDrives; ++unit) {
      if (channel.drive(unit) != nullptr) sum += channel.drive(unit)->sectors_moved();
    }
  }
  return sum;
}

void IdeController::follow_config() {
  for (unsigned i = 0; i < kChannels; ++i) {
    channels_[i].set_decoded((config_word(kIdetim + 2 * i) & kDecodeEnable) != 0);
    masters_[i].set_enabled((command() & pci_config::kCommandMaster) != 0);
  }
}

void IdeController::config_written(unsigned, unsigned) {
  follow_config();
  for (IdeChannel& channel : channels_) channel.service_dma();
}

u8 IdeController::MasterPorts::read_byte(unsigned offset) {
  const IdeBusMaster& master = controller_.masters_[offset / IdeBusMaster::kPorts % kChannels];
  return master.read_byte(offset % IdeBusMaster::kPorts);
}

void IdeController::MasterPorts::write_byte(unsigned offset, u8 value) {
  const unsigned index = offset / IdeBusMaster::kPorts % kChannels;
  controller_.masters_[index].write_byte(offset % IdeBusMaster::kPorts, value);
  controller_.channels_[index].service_dma();
}

void IdeController::reset() {
  PciFunction::reset();
  for (IdeBusMaster& master : masters_) master.reset();
  for (IdeChannel& channel : channels_) channel.reset();
  follow_config();
}

void IdeController::serialize(Archive& archive) {
  PciFunction::serialize(archive);
  archive(masters_, channels_);
  follow_config();
}

}  // namespace doppel::devices
