#include "tests/blocks/shrink.h"

#include <algorithm>
#include <cstring>

#include "cpu/arch/rflags.h"

namespace doppel::blocks {
namespace {

constexpr unsigned kMaxAttempts = 3000;

class Shrinker {
 public:
  Shrinker(BlockCase block, const std::function<bool(const BlockCase&)>& differs) : best_(std::move(block)), differs_(differs) {}

  BlockCase run() {
    for (size_t before = ~size_t{0}; size() < before;) {
      before = size();
      drop_runs();
      drop_items();
    }
    simplify_runs();
    for (size_t i = 0; i < best_.runs.size(); ++i) simplify_start(i);
    return best_;
  }

 private:
  size_t size() const { return best_.items.size() + best_.runs.size(); }

  bool attempt(BlockCase candidate) {
    if (++attempts_ > kMaxAttempts || !differs_(candidate)) return false;
    best_ = std::move(candidate);
    return true;
  }

  void drop_runs() {
    for (size_t i = best_.runs.size(); i-- > 0 && best_.runs.size() > 1;) {
      BlockCase candidate = best_;
      candidate.runs.erase(candidate.runs.begin() + static_cast<long>(i));
      attempt(std::move(candidate));
    }
  }

  void drop_items() {
    for (size_t count = std::max<size_t>(1, best_.items.size() / 2);; count /= 2) {
      for (size_t at = 0; at < best_.items.size();) {
        BlockCase candidate = best_;
        const size_t end = std::min(at + count, candidate.items.size());
        candidate.items.erase(candidate.items.begin() + static_cast<long>(at), candidate.items.begin() + static_cast<long>(end));
        if (!attempt(std::move(candidate))) at += count;
      }
      if (count == 1) break;
    }
  }

  template <class Change>
  void change_run(size_t index, Change&& change) {
    BlockCase candidate = best_;
    change(candidate.runs[index]);
    attempt(std::move(candidate));
  }

  void simplify_runs() {
    for (size_t i = 0; i < best_.runs.size(); ++i) {
      change_run(i, [](RunSpec& run) { run.interrupt_after = -1; });
      change_run(i, [](RunSpec& run) { run.slices = 0; });
      for (u64 budget : {1, 2, 3, 4, 6, 8, 12, 16, 32}) {
        const u64 before = best_.runs[i].budget;
        if (budget >= before) break;
        change_run(i, [&](RunSpec& run) { run.budget = budget; });
        if (best_.runs[i].budget == budget) break;
      }
    }
    BlockCase candidate = best_;
    candidate.second_page = SecondPage::Present;
    attempt(std::move(candidate));
  }

  void simplify_start(size_t index) {
    change_run(index, [](RunSpec& run) { run.start.fp = FloatImage{}; });
    change_run(index, [](RunSpec& run) { std::memset(run.start.ymm_high, 0, sizeof run.start.ymm_high); });
    change_run(index, [](RunSpec& run) { run.start.fs_base = run.start.gs_base = 0; });
    change_run(index, [](RunSpec& run) { run.start.rflags &= ~rflags::kArithmetic; });
    change_run(index, [](RunSpec& run) { run.start.rflags &= rflags::kArithmetic | rflags::VM | rflags::FIXED; });
    for (unsigned reg = 0; reg < 16; ++reg) {
      if (best_.runs[index].start.gpr[reg] != 0) change_run(index, [&](RunSpec& run) { run.start.gpr[reg] = 0; });
    }
  }

  BlockCase best_;
  const std::function<bool(const BlockCase&)>& differs_;
  unsigned attempts_ = 0;
};

}  // namespace

BlockCase shrink(BlockCase block, const std::function<bool(const BlockCase&)>& differs) {
  return Shrinker(std::move(block), differs).run();
}

}  // namespace doppel::blocks
