// The board's network cards: which there are, and where they are plugged in.

#include <string>
#include <utility>

#include "cpu/base/check.h"
#include "devices/e1000.h"
#include "devices/pc_board_parts.h"
#include "devices/pc_layout.h"

namespace doppel::devices {

void PcBoard::Parts::fit_network() {
  DOPPEL_CHECK(config.nics.size() <= BoardConfig::kMostNics, "more network cards than slots");
  for (unsigned i = 0; i < config.nics.size(); ++i) {
    const BoardConfig::Nic& nic = config.nics[i];
    const unsigned slot = layout::kSlotNics + i;
    const std::string name = "nic" + std::to_string(i);
    const auto fit = [this, slot](auto card) {
      pci.add(slot, 0, *card);
      network_cards.push_back(card.get());
      devices.push_back(card.get());
      network_functions.push_back(std::move(card));
    };
    if (nic.model == "e1000") {
      fit(std::make_unique<E1000>(E1000::Config{name, nic.mac, nic.link, nic.rom}, memory, ports,
                                  scheduler, piix3.pirq(slot, 1)));
    } else if (nic.model == "virtio-net-pci") {
      network_cards.push_back(fit_virtio_nic(nic, name, slot));
    } else {
      DOPPEL_CHECK(false, "there is no network card of this model");
    }
  }
}

NetworkCard* PcBoard::network_card(size_t index) {
  return index < parts_->network_cards.size() ? parts_->network_cards[index] : nullptr;
}

}  // namespace doppel::devices
