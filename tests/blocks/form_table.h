#pragma once

// The forms of the differential test, sorted by what a block is about.

#include <string>
#include <vector>

#include "tests/differential/forms.h"

namespace doppel::blocks {

enum class Group : u8 { Integer, OtherInteger, String, Stack, X87, Mmx, Sse, Avx, Branch, System };
inline constexpr unsigned kGroupCount = 10;

class FormTable {
 public:
  /// `only`: a mnemonic in lower case, or empty for all.
  explicit FormTable(const std::string& only);

  const std::vector<const differential::Form*>& of(cpu::CodeSize size, Group group) const {
    return groups_[static_cast<unsigned>(size)][static_cast<unsigned>(group)];
  }
  /// Groups that have a form of this size.
  bool empty(cpu::CodeSize size) const;
  size_t count() const { return forms_.size(); }

 private:
  std::vector<differential::Form> forms_;
  std::vector<const differential::Form*> groups_[3][kGroupCount];
};

/// True for what only privileged code may do, and what would leave the machine beyond recognition: such
/// instructions run in kernel blocks with operands chosen for them, not at random.
bool is_disruptive(const differential::Form& form);

}  // namespace doppel::blocks
