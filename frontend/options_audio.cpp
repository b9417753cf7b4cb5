// Options that speak of sound.

#include <algorithm>

#include "frontend/option_table.h"

namespace doppel::frontend {
namespace {

using Backend = AudioOptions::Backend;

Error bad(std::string message) { return Error{std::move(message)}; }

constexpr unsigned kLowestRate = 8000;
constexpr unsigned kHighestRate = 192'000;

/// Takes what belongs to a backend out of the list.
Result<Backend, Error> backend_from(PropertyList& list) {
  Backend backend;
  const std::string driver = list.take("driver").value_or("");
  if (driver == "none") {
    backend.kind = Backend::Kind::None;
  } else if (driver == "sdl") {
    backend.kind = Backend::Kind::Sdl;
  } else if (driver == "wav") {
    backend.kind = Backend::Kind::Wav;
    backend.path = list.take("path").value_or("qemu.wav");
    if (backend.path.empty()) return bad("wav needs path=NAME");
  } else {
    return bad("'" + driver + "' is not sdl, wav or none");
  }
  if (const auto rate = list.take("out.frequency")) {
    const auto number = parse_number(*rate);
    if (!number || *number < kLowestRate || *number > kHighestRate)
      return bad("out.frequency=" + *rate + " is not 8000 to 192000");
    backend.rate_hz = static_cast<unsigned>(*number);
  }
  return backend;
}

OptionResult add_backend(OptionBuilder& builder, Backend backend) {
  for (const Backend& other : builder.options.audio.backends) {
    if (other.id == backend.id) return bad("id '" + backend.id + "' is used twice");
  }
  builder.options.audio.backends.push_back(std::move(backend));
  return {};
}

/// The board's name of a card that `-device` or `-audio model=` names; empty: it is none.
std::string_view card_model(std::string_view name) {
  if (name == "AC97" || name == "ac97") return "AC97";
  if (name == "sb16") return "sb16";
  return {};
}

}  // namespace

OptionResult apply_audiodev(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "driver");
  DOPPEL_TRY(Backend backend, backend_from(list));
  const auto id = list.take("id");
  if (!id || id->empty()) return bad("needs id=NAME");
  backend.id = *id;
  DOPPEL_TRY(refuse_leftover(list, "an audiodev"));
  return add_backend(builder, std::move(backend));
}

OptionResult apply_audio(OptionBuilder& builder, std::string_view value) {
  PropertyList list(value, "driver");
  DOPPEL_TRY(Backend backend, backend_from(list));
  backend.id = list.take("id").value_or("audio0");
  const auto model = list.take("model");
  DOPPEL_TRY(refuse_leftover(list, "-audio"));
  if (model && *model != "pcspk") {
    const std::string_view card = card_model(*model);
    if (card.empty()) return bad("model=" + *model + " is not AC97, sb16 or pcspk");
    builder.options.audio.cards.push_back({std::string(card), backend.id});
  }
  return add_backend(builder, std::move(backend));
}

bool is_sound_card(std::string_view driver) { return !card_model(driver).empty(); }

OptionResult attach_sound_card(OptionBuilder& builder, PropertyList& list,
                               std::string_view driver) {
  AudioOptions::Card card;
  card.model = card_model(driver);
  card.audiodev = list.take("audiodev").value_or("");
  builder.options.audio.cards.push_back(std::move(card));
  return refuse_leftover(list, driver);
}

OptionResult finish_audio(OptionBuilder& builder) {
  AudioOptions& audio = builder.options.audio;
  audio.follows_window = builder.options.display != Options::Display::None;
  const auto check = [&](const std::string& id, std::string_view option) -> OptionResult {
    const bool known =
        id.empty() || std::any_of(audio.backends.begin(), audio.backends.end(),
                                  [&](const Backend& backend) { return backend.id == id; });
    if (known) return {};
    return bad(std::string(option) + ": there is no -audiodev with id '" + id + "'");
  };
  DOPPEL_TRY(check(audio.speaker_audiodev, "-machine"));
  for (size_t i = 0; i < audio.cards.size(); ++i) {
    DOPPEL_TRY(check(audio.cards[i].audiodev, "-device"));
    for (size_t k = 0; k < i; ++k) {
      if (audio.cards[k].model == audio.cards[i].model)
        return bad("-device: there can be one " + audio.cards[i].model);
    }
  }
  return {};
}

}  // namespace doppel::frontend
