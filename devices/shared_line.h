#pragma once

#include <array>
#include <vector>

#include "cpu/base/archive.h"
#include "devices/irq.h"

namespace doppel::devices {

/// Several wires into one: the outputs are asserted while any source is.
class SharedLine {
 public:
  static constexpr unsigned kSources = 4;

  SharedLine() {
    for (unsigned i = 0; i < kSources; ++i) sources_[i].connect(*this, i);
  }
  SharedLine(const SharedLine&) = delete;
  SharedLine& operator=(const SharedLine&) = delete;

  IrqLine& source(unsigned index) { return sources_[index]; }
  /// `output` must outlive the line.
  void add_output(IrqLine& output) { outputs_.push_back(&output); }

  void serialize(Archive& archive) { archive(levels_); }

 private:
  class Source final : public IrqLine {
   public:
    void connect(SharedLine& line, unsigned index) {
      line_ = &line;
      index_ = index;
    }
    void set(bool level) override { line_->set(index_, level); }

   private:
    SharedLine* line_ = nullptr;
    unsigned index_ = 0;
  };

  void set(unsigned index, bool level) {
    const bool before = levels_ != 0;
    const u8 bit = static_cast<u8>(1u << index);
    levels_ = static_cast<u8>(level ? levels_ | bit : levels_ & ~bit);
    const bool after = levels_ != 0;
    if (before == after) return;
    for (IrqLine* output : outputs_) output->set(after);
  }

  std::array<Source, kSources> sources_;
  std::vector<IrqLine*> outputs_;
  u8 levels_ = 0;
};

/// A wire that can be cut: while it is, the other end sees it low.
class GatedLine final : public IrqLine {
 public:
  /// `output` must outlive the line.
  explicit GatedLine(IrqLine& output) : output_(output) {}

  void set(bool level) override {
    level_ = level;
    output_.set(level_ && open_);
  }
  void set_open(bool open) {
    open_ = open;
    output_.set(level_ && open_);
  }

  void serialize(Archive& archive) { archive(level_, open_); }

 private:
  IrqLine& output_;
  bool level_ = false;
  bool open_ = true;
};

}  // namespace doppel::devices
