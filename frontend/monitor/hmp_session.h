#pragma once

// The monitor's prompt on a character device: a person, or a program that plays one.

#include "frontend/character/device.h"
#include "frontend/monitor/hmp.h"
#include "frontend/monitor/line_editor.h"

namespace doppel::frontend {

class HmpSession final : public CharacterUser {
 public:
  /// Both must outlive the session.
  HmpSession(Hmp& monitor, CharacterDevice& device)
      : monitor_(monitor), device_(device), editor_("(doppel) ") {}
  void opened() override;
  void received(std::span<const u8> bytes) override;
  void closed() override { editor_.clear(); }

 private:
  void show(std::string_view text);

  Hmp& monitor_;
  CharacterDevice& device_;
  LineEditor editor_;
};

}  // namespace doppel::frontend
