// The monitor's words for networks: what there is, and ports that lead to the guest.

#include "frontend/monitor/hmp.h"
#include "frontend/network/network_text.h"

namespace doppel::frontend {

std::optional<std::string> Hmp::execute_network(const std::string& command,
                                                const Arguments& arguments) {
  if (command == "hostfwd_add" || command == "hostfwd_remove") {
    return change_forward(command, arguments);
  }
  return std::nullopt;
}

std::string Hmp::info_network() const {
  std::string text;
  const auto& nics = machine_.config().board.nics;
  for (size_t card = 0; card < nics.size(); ++card) {
    text += "nic" + std::to_string(card) + ": " + nics[card].model + ", " +
            format_mac(nics[card].mac) + (nics[card].link == nullptr ? ", no cable" : "") + "\n";
    if (networks_ == nullptr) continue;
    for (const auto& cable : networks_->cables()) {
      if (cable->card != card) continue;
      text += " " + cable->id + ":\n" + cable->network->description();
    }
  }
  return text.empty() ? "there is no network card\n" : text;
}

std::string Hmp::change_forward(const std::string& command, const Arguments& arguments) {
  if (arguments.empty()) return command + ": which port?\n";
  const bool adds = command == "hostfwd_add";
  const auto forward = parse_forward(arguments.back(), adds);
  if (!forward.ok()) return forward.error().message + "\n";
  const std::string id = arguments.size() > 1 ? arguments.front() : "";
  HostNetworks::Cable* const cable = networks_ == nullptr ? nullptr : networks_->find(id);
  if (cable == nullptr) return id.empty() ? "which network?\n" : "there is no network '" + id + "'\n";
  const Result<void, Error> done = adds ? cable->network->add_forward(forward.value())
                                        : cable->network->remove_forward(forward.value());
  return done.ok() ? std::string() : done.error().message + "\n";
}

}  // namespace doppel::frontend
