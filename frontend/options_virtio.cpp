// Virtio devices: -device virtio-blk-pci, virtio-serial-pci with virtconsole, virtio-rng-pci.

#include <algorithm>
#include <string>

#include "frontend/option_table.h"

namespace doppel::frontend {
namespace {

Error bad(std::string message) { return Error{std::move(message)}; }

/// What says only where a card is or how a host would work for it. A card without its modern
/// interface would be another one.
OptionResult take_bus_properties(PropertyList& list) {
  for (const std::string_view key : {"id", "bus", "addr", "num-queues", "queue-size", "iothread"})
    (void)list.take(key);
  for (const std::string_view key : {"disable-modern", "disable-legacy"}) {
    const auto text = list.take(key);
    if (!text || *text == "auto") continue;
    const auto on = parse_switch(*text);
    if (!on) return bad(std::string(key) + "=" + *text + " is not on or off");
    if (*on && key == "disable-modern") return bad("disable-modern=on: there is no other interface");
  }
  return {};
}

/// The name without its bus: QEMU has several for each.
std::string_view kind_of(std::string_view driver) {
  for (const std::string_view suffix : {"-pci-non-transitional", "-pci"}) {
    if (driver.ends_with(suffix)) return driver.substr(0, driver.size() - suffix.size());
  }
  return driver;
}

}  // namespace

bool is_virtio_device(std::string_view driver) {
  const std::string_view kind = kind_of(driver);
  return kind == "virtio-blk" || kind == "virtio-serial" || kind == "virtio-rng" || kind == "virtconsole";
}

OptionResult apply_virtio_device(OptionBuilder& builder, std::string_view driver, PropertyList& list) {
  const std::string_view kind = kind_of(driver);
  if (kind == "virtconsole") {
    // One console each: a second one needs a second card.
    if (builder.virtio_consoles.size() == builder.virtio_serials)
      return bad("each virtconsole needs a -device virtio-serial-pci before it");
    builder.virtio_consoles.push_back(list.take("chardev").value_or(""));
    for (const std::string_view key : {"id", "bus", "name", "nr"}) (void)list.take(key);
    return {};
  }
  DOPPEL_TRY(take_bus_properties(list));
  if (kind == "virtio-blk") {
    for (const std::string_view key : {"write-cache", "config-wce", "discard", "write-zeroes"})
      (void)list.take(key);
    return attach_drive_device(builder, list, DriveOptions::Bus::Virtio, false);
  }
  if (kind == "virtio-rng") {
    for (const std::string_view key : {"rng", "max-bytes", "period"}) (void)list.take(key);
    ++builder.options.virtio_rngs;
  } else {
    (void)list.take("max_ports");
    ++builder.virtio_serials;
  }
  return {};
}

bool console_has_terminal(const OptionBuilder& builder) {
  return std::any_of(
      builder.virtio_consoles.begin(), builder.virtio_consoles.end(), [&](const std::string& id) {
        const auto found = builder.chardevs.find(id);
        return found != builder.chardevs.end() && found->second.kind == CharacterTarget::Kind::Stdio;
      });
}

OptionResult finish_virtio(OptionBuilder& builder) {
  Options& options = builder.options;
  for (const std::string& id : builder.virtio_consoles) {
    auto target = id.empty() ? CharacterTarget{} : character_target(builder, "chardev:" + id);
    if (!target.ok()) return bad("-device: " + target.error().message);
    options.virtio_consoles.push_back(target.take());
  }
  // A card without a console is there too.
  options.virtio_consoles.resize(builder.virtio_serials);
  size_t cards = options.virtio_consoles.size() + options.virtio_rngs;
  for (const DriveOptions& drive : options.drives) cards += drive.bus == DriveOptions::Bus::Virtio ? 1 : 0;
  constexpr unsigned kMost = devices::PcBoard::kMostCards;
  if (cards > kMost)
    return bad("-device: " + std::to_string(cards) + " virtio devices, but only " + std::to_string(kMost) + " slots");
  return {};
}

}  // namespace doppel::frontend
