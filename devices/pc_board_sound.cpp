// The board's sound cards. The loudspeaker is always there.

#include "cpu/base/check.h"
#include "devices/pc_board_parts.h"
#include "devices/pc_layout.h"

namespace doppel::devices {

using namespace layout;

void PcBoard::Parts::fit_sound() {
  for (const BoardConfig::SoundCard& card : config.sound_cards) {
    if (card.model == "AC97" && !ac97) {
      ac97 = std::make_unique<Ac97>(memory, ports, scheduler, piix3.pirq(kSlotSound, 1), card.sink);
      DOPPEL_CHECK(pci.add(kSlotSound, 0, *ac97), "something else is in the sound card's slot");
      devices.push_back(ac97.get());
    } else if (card.model == "sb16" && !sb16) {
      // Where an XT had IRQ 2, an AT has 9.
      sb16 = std::make_unique<Sb16>(
          scheduler,
          [this](unsigned irq) -> IrqLine& { return isa[irq == 2 ? 9 : irq & 15].source(kFromSound); },
          dma, card.sink);
      DOPPEL_CHECK(ports.add(kSoundBlaster, Sb16::kPorts, sb16->ports()) &&
                       ports.add(kMpu401, Mpu401::kPorts, sb16->midi_ports()),
                   "the sound card's ports are taken");
      devices.push_back(sb16.get());
    } else {
      DOPPEL_CHECK(false, "a sound card that the board does not know, or a second one");
    }
  }
}

void PcBoard::Parts::fit_pvpanic(MachineControl& control) {
  if (!config.has_pvpanic) return;
  pvpanic = std::make_unique<PvPanic>(control);
  DOPPEL_CHECK(ports.add(kPvPanic, 1, *pvpanic), "pvpanic's port is taken");
  devices.push_back(pvpanic.get());
}

}  // namespace doppel::devices
