#include "tests/blocks/engines.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "cpu/interpreter/interpreter.h"
#include "jit/translator.h"

namespace doppel::blocks {
namespace {

/// As short as can be, so that what goes round becomes a trace.
constexpr u64 kTraceSampleInterval = 1;

/// The interpreter, but IMUL of two operands leaves the wrong CF and OF: shows that the test finds a fault
/// of one instruction and shrinks the block around it.
class FaultyEngine final : public cpu::Engine {
 public:
  explicit FaultyEngine(cpu::Cpu& cpu) : cpu_(cpu), inner_(cpu) {}

  cpu::ExitReason run(u64 budget) override {
    const u64 end = cpu_.state.retired + budget;
    while (cpu_.state.retired < end) {
      const u64 rip = cpu_.state.rip();
      const bool multiplies = stands_at_imul();
      const cpu::ExitReason reason = inner_.run(1);
      if (multiplies && cpu_.state.rip() == rip + 3) cpu_.state.flags.set(cpu_.state.flags.get() ^ (rflags::CF | rflags::OF));
      if (reason != cpu::ExitReason::BudgetSpent) return reason;
    }
    return cpu::ExitReason::BudgetSpent;
  }
  void flush() override { inner_.flush(); }
  const cpu::EngineCounters& counters() const override { return inner_.counters(); }

 private:
  bool stands_at_imul() {
    const u64 base = cpu_.code64() ? 0 : cpu_.state.segment(Seg::CS).base;
    const LinearAddr address(base + cpu_.state.rip());
    if (address.page_offset() > kPageSize - 2) return false;
    const Result<mmu::Mmu::FetchPage> page = cpu_.mmu.fetch_page(address);
    if (!page.ok() || page.value().host == nullptr) return false;
    const u8* at = page.value().host + address.page_offset();
    return at[0] == 0x0f && at[1] == 0xaf;
  }

  cpu::Cpu& cpu_;
  cpu::Interpreter inner_;
};

}  // namespace

Result<std::unique_ptr<cpu::Engine>, Error> make_engine(std::string_view name, cpu::Cpu& cpu, unsigned threshold) {
  if (name == "interp") return std::unique_ptr<cpu::Engine>(std::make_unique<cpu::Interpreter>(cpu));
  if (name == "faulty") return std::unique_ptr<cpu::Engine>(std::make_unique<FaultyEngine>(cpu));
  if (name == "jit" || name == "traces") {
    jit::TranslatorOptions options;
    options.threshold = threshold;
    if (name == "traces") {
      options.sample_interval = kTraceSampleInterval;
      options.hot_samples = 1;
      options.hot_runs = 2;
      options.unroll_samples = 2;
    }
    DOPPEL_TRY(std::unique_ptr<jit::Translator> translator, jit::Translator::create(cpu, options));
    return std::unique_ptr<cpu::Engine>(std::move(translator));
  }
  return Error{"there is no engine '" + std::string(name) + "'"};
}

}  // namespace doppel::blocks
