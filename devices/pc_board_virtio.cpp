// What stands on the board's PCI bus as virtio devices, each in a slot of its own.

#include <cstdio>
#include <utility>

#include "cpu/base/check.h"
#include "devices/pc_board_parts.h"
#include "devices/pc_layout.h"
#include "devices/virtio_net.h"
#include "devices/virtio_rng.h"

namespace doppel::devices {

unsigned PcBoard::Parts::plug_virtio(std::string name, std::unique_ptr<VirtioDevice> device) {
  const unsigned slot = next_slot++;
  virtio_cards.push_back(std::make_unique<VirtioPci>(
      std::move(name), std::move(device),
      VirtioPci::Bus{
          .mmio = memory.mmio(), .inta = piix3.pirq(slot, 1), .messages = apic_messages}));
  DOPPEL_CHECK(pci.add(slot, 0, *virtio_cards.back()), "more cards than the board has slots");
  devices.push_back(virtio_cards.back().get());
  return slot;
}

void PcBoard::Parts::fit_virtio_disk(const BoardConfig::Drive& drive) {
  DOPPEL_CHECK(drive.medium != nullptr, "a hard disk without its platters");
  const std::string name = "virtio_disk" + std::to_string(drive.place);
  auto disk = std::make_unique<VirtioBlock>(name + ".done", *drive.medium, drive.serial, memory,
                                            scheduler);
  virtio_disks.push_back(disk.get());
  const unsigned slot = plug_virtio(name, std::move(disk));
  if (!drive.boot_index) return;
  char path[48];
  std::snprintf(path, sizeof path, "/pci@i0cf8/scsi@%x/disk@0,0", slot);
  boot_paths.emplace(*drive.boot_index, path);
}

void PcBoard::Parts::fit_virtio() {
  for (const BoardConfig::Nic& nic : config.nics) {
    if (nic.model != "virtio-net-pci") continue;
    auto card = std::make_unique<VirtioNet>(nic.mac, nic.link, memory);
    network_cards.push_back(card.get());
    plug_virtio("virtio_net" + std::to_string(network_cards.size() - 1), std::move(card));
  }
  for (const BoardConfig::Drive& drive : config.drives) {
    if (drive.kind == BoardConfig::Drive::Kind::VirtioDisk) fit_virtio_disk(drive);
  }
  for (ByteSink* sink : config.virtio_consoles) {
    const std::string name = "virtio_console" + std::to_string(virtio_consoles.size());
    auto console = std::make_unique<VirtioConsole>(name + ".input", sink, memory, scheduler);
    virtio_consoles.push_back(console.get());
    plug_virtio(name, std::move(console));
  }
  for (unsigned i = 0; i < config.virtio_rngs; ++i)
    plug_virtio("virtio_rng" + std::to_string(i),
                std::make_unique<VirtioRng>(config.seed + i, memory));
}

}  // namespace doppel::devices
