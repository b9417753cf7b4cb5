// What stands on the board's PCI bus as virtio devices, each in a slot of its own.

#include <cstdio>
#include <utility>

#include "cpu/base/check.h"
#include "devices/pc_board_parts.h"
#include "devices/pc_layout.h"
#include "devices/virtio_net.h"
#include "devices/virtio_rng.h"

namespace doppel::devices {

void PcBoard::Parts::plug_virtio(std::string name, std::unique_ptr<VirtioDevice> device,
                                 unsigned slot) {
  const VirtioPci::Bus bus{
      .mmio = memory.mmio(), .inta = piix3.pirq(slot, 1), .messages = apic_messages};
  virtio_cards.push_back(std::make_unique<VirtioPci>(std::move(name), std::move(device), bus));
  DOPPEL_CHECK(pci.add(slot, 0, *virtio_cards.back()), "more cards than the board has slots");
  devices.push_back(virtio_cards.back().get());
}

void PcBoard::Parts::fit_virtio_disk(const BoardConfig::Drive& drive) {
  DOPPEL_CHECK(drive.medium != nullptr, "a hard disk without its platters");
  const unsigned slot = next_slot++;
  const std::string name = "virtio_disk" + std::to_string(drive.place);
  auto disk =
      std::make_unique<VirtioBlock>(name + ".done", *drive.medium, drive.serial, memory, scheduler);
  virtio_disks.push_back(disk.get());
  plug_virtio(name, std::move(disk), slot);
  if (!drive.boot_index) return;
  char path[48];
  std::snprintf(path, sizeof path, "/pci@i0cf8/scsi@%x/disk@0,0", slot);
  boot_paths.emplace(*drive.boot_index, path);
}

NetworkCard* PcBoard::Parts::fit_virtio_nic(const BoardConfig::Nic& nic, std::string name,
                                            unsigned slot) {
  auto card = std::make_unique<VirtioNet>(nic.mac, nic.link, memory);
  VirtioNet* const fitted = card.get();
  plug_virtio(std::move(name), std::move(card), slot);
  return fitted;
}

void PcBoard::Parts::fit_virtio() {
  for (const BoardConfig::Drive& drive : config.drives) {
    if (drive.kind == BoardConfig::Drive::Kind::VirtioDisk) fit_virtio_disk(drive);
  }
  for (ByteSink* sink : config.virtio_consoles) {
    const std::string name = "virtio_console" + std::to_string(virtio_consoles.size());
    auto console = std::make_unique<VirtioConsole>(name + ".input", sink, memory, scheduler);
    virtio_consoles.push_back(console.get());
    plug_virtio(name, std::move(console), next_slot++);
  }
  for (unsigned i = 0; i < config.virtio_rngs; ++i) {
    plug_virtio("virtio_rng" + std::to_string(i),
                std::make_unique<VirtioRng>(config.seed + i, memory), next_slot++);
  }
}

}  // namespace doppel::devices
