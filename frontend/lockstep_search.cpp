// Where a difference begins: from the last point where all was equal, shorter and shorter stretches.
//
// The engine under test is not told anything: it keeps its translations. Only memory that differs
// is put back, through the door that stores take, so that code that changes is noticed as always.
// A stretch always begins at the same point and ends earlier and earlier: the first end that shows
// the difference lies behind the block that made it.

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "cpu/base/log.h"
#include "frontend/cpu_dump.h"
#include "frontend/guest_view.h"
#include "frontend/listing.h"
#include "frontend/lockstep.h"

namespace doppel::frontend {
namespace {

constexpr u64 kTraced = 24;         // Instructions shown before the difference.
constexpr unsigned kMostBlocks = 4;  // Translations shown.

std::string dump(const Machine& machine) {
  const cpu::CpuState& state = machine.cpu().state;
  return dump_registers(state, machine.memory().a20()) + dump_float_registers(state);
}

const char* subject_name(const Machine& machine) {
  return translator_statistics(machine.engine()) != nullptr ? "jit" : "checked";
}

}  // namespace

struct Lockstep::Search {
  std::unique_ptr<Machine> base;  ///< Where all was equal.
  size_t step = 0;                ///< The step it stands in.
  LinearAddr last;                ///< Of the last instruction traced.
};

void Lockstep::search() {
  const u64 seen = retired();
  report_ = "lockstep: " + difference_ + "\n  processors equal after " + std::to_string(equal_) +
            " instructions, everything equal after " + std::to_string(whole_equal_) + "\n";
  if (seen <= whole_equal_) {
    report_ += states();
    return;
  }
  log::info("machine", "lockstep: a difference after %" PRIu64
            " instructions; repeating the run to find where it begins", seen);
  const std::string states_seen = states();
  auto made = make_reference();
  if (!made.ok()) {
    report_ += "  not searched further: " + made.error().message + "\n" + states_seen;
    return;
  }
  Search search;
  search.base = made.take();
  search.base->set_boot_plan(reference_->boot_plan());
  if (!start_.empty()) {
    Archive loader = Archive::loader(start_);
    search.base->serialize(loader);
  }
  repeat(*search.base, search.step, whole_equal_);

  const auto differs_after = [&](u64 count) {
    for (Machine* machine : {&subject_, reference_.get()}) {
      machine->become(*search.base);
      size_t step = search.step;
      repeat(*machine, step, count);
    }
    return compare_.in_anything(subject_, *reference_);
  };
  if (search.base->cpu().state.retired != whole_equal_ || !differs_after(seen)) {
    report_ += "  repeated from there, it does not come back: it depends on what was translated or "
               "looked up before\n" + states_seen;
    return;
  }
  u64 equal = whole_equal_;
  u64 different = seen;
  while (different - equal > 1) {
    const u64 middle = equal + (different - equal) / 2;
    (differs_after(middle) ? different : equal) = middle;
  }
  const std::optional<std::string> what = differs_after(different);
  difference_ = "the engines differ after " + std::to_string(different) +
                " instructions: " + what.value_or("at times");
  report_ = "lockstep: " + difference_ + "\n  everything equal after " + std::to_string(equal) +
            "; first noticed after " + std::to_string(seen) + "\n";
  report_ += states();
  report_ += trace_end(search, different);
  report_ += listings(search.last);
}

std::string Lockstep::states() const {
  const std::string left = dump(subject_);
  const std::string right = dump(*reference_);
  const char* const name = subject_name(subject_);
  const std::string differing = differing_lines(name, left, "interp", right);
  if (differing.empty()) return "registers of both:\n" + left;
  return "registers that differ:\n" + differing + name + ":\n" + left + "interp:\n" + right;
}

/// The guest instructions that led to `end`, as the interpreter went.
std::string Lockstep::trace_end(Search& search, u64 end) {
  Machine& machine = *reference_;
  machine.become(*search.base);
  size_t step = search.step;
  const u64 first = std::max(end - std::min(end, kTraced), whole_equal_);
  repeat(machine, step, first);
  std::string out = "guest code, as the interpreter went (instructions retired before each):\n";
  for (u64 count = first; count < end; ++count) {
    const GuestView view(machine);
    search.last = view.instruction_pointer();
    const auto lines = view.disassemble(search.last, 1);
    char text[80];
    std::snprintf(text, sizeof text, "%12" PRIu64 "  0x%016" PRIx64 ":  %-20s ", count,
                  search.last.value, lines.empty() ? "" : lines[0].bytes.c_str());
    out += text + (lines.empty() ? std::string("cannot be read") : lines[0].text) + "\n";
    repeat(machine, step, count + 1);
  }
  return out;
}

std::string Lockstep::listings(LinearAddr address) {
  const cpu::Decoder decoder(subject_.cpu().model());
  std::string out;
  unsigned count = 0;
  visit_translations(subject_.engine(), address, [&](const jit::Listing& listing) {
    if (count++ < kMostBlocks) out += side_by_side(listing, decoder);
  });
  if (count == 0) return "no translation covers the last instruction\n";
  return "translations that cover the last instruction:\n" + out;
}

}  // namespace doppel::frontend
