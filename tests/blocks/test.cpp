#include "tests/blocks/test.h"

#include <cstdio>

#include "tests/blocks/shrink.h"

namespace doppel::blocks {
namespace {

/// Cases on one pair of machines: as many as there are sets of code frames.
constexpr u64 kChunk = kHighSetCount;
constexpr int kEnough = 3;
constexpr unsigned kQuietSeconds = 20;
constexpr unsigned kQuietSecondsOfOne = 5;

using Number = unsigned long long;

}  // namespace

Test::Test(const Options& options, const FormTable& forms, const TableEntries& entries, Progress& progress)
    : options_(options), forms_(forms), generator_(options.seed, forms, entries, options.mode), model_(cpu::CpuModel::parse("max").take()),
      decoder_(model_), progress_(progress), child_progress_(*shared_progress()) {}

int Test::run() {
  u64 first = options_.from, last = options_.from + options_.cases;
  if (options_.one_case >= 0) {
    last = static_cast<u64>(options_.one_case) + 1;
    first = options_.history ? align_down(last - 1, kChunk) : last - 1;
  }
  progress_.next = first;
  while (progress_.next < last) {
    const Ending ending = run_in_child([&] { return run_cases(last); }, progress_, kQuietSeconds);
    if (ending.exited && ending.status == kCannotRun) return kCannotRun;
    if (ending.exited && (ending.status == 0 || ending.status == kEnough)) break;
    // The case is part of the answer; the ones behind it still count.
    ++progress_.differences;
    show_death(progress_.next, ending);
    if (progress_.differences >= options_.shown) break;
    ++progress_.next;
  }
  std::printf("%llu blocks, %llu runs, %llu instructions of %zu forms; seed %llu; %llu differences\n", static_cast<Number>(progress_.cases),
              static_cast<Number>(progress_.runs), static_cast<Number>(progress_.instructions), forms_.count(),
              static_cast<Number>(options_.seed), static_cast<Number>(progress_.differences));
  return progress_.differences == 0 ? 0 : 1;
}

int Test::run_cases(u64 last) {
  std::unique_ptr<Pair> pair;
  for (; progress_.next < last; ++progress_.next) {
    const u64 number = progress_.next;
    progress_.ticks = progress_.ticks + 1;
    if (pair == nullptr || number % kChunk == 0) pair = make_pair(number);
    if (pair == nullptr) return kCannotRun;
    const BlockCase block = make(number);
    if (options_.verbose || (options_.one_case >= 0 && number + 1 == last)) print_case(block);
    LaidOut code;
    Difference difference;
    if (!lay_out(block, code)) continue;
    ++progress_.cases;
    progress_.runs += block.runs.size();
    const u64 before = pair->instructions();
    const bool same = pair->run(block, code, false, difference);
    progress_.instructions += pair->instructions() - before;
    if (same) continue;
    pair.reset();
    show(block, difference);
    if (++progress_.differences >= options_.shown) return kEnough;
  }
  return 0;
}

BlockCase Test::make(u64 number) const {
  BlockCase block = generator_.make(number);
  block.warm = block.warm || options_.warm;
  return block;
}

unsigned Test::threshold(u64 number) const {
  static constexpr unsigned kThresholds[] = {1, 2, 4, 1};
  return options_.threshold != 0 ? options_.threshold : kThresholds[number / kChunk % 4];
}

std::unique_ptr<Pair> Test::make_pair(u64 number) const {
  auto made = Pair::create(options_.engine, threshold(number));
  if (made.ok()) return made.take();
  std::printf("cannot run: %s\n", made.error().message.c_str());
  return nullptr;
}

bool Test::differs(const BlockCase& block, Difference& difference) const {
  LaidOut code;
  if (!lay_out(block, code)) return false;
  const std::unique_ptr<Pair> pair = make_pair(block.number);
  return pair != nullptr && !pair->run(block, code, true, difference);
}

Ending Test::outcome(const BlockCase& block) const {
  progress_.ticks = progress_.ticks + 1;
  return run_in_child([&] {
    Difference difference;
    return differs(block, difference) ? 1 : 0;
  }, child_progress_, kQuietSecondsOfOne);
}

void Test::print_case(const BlockCase& block) const {
  LaidOut code;
  if (!lay_out(block, code)) return;
  std::printf("  case %llu, %s code, %zu runs; selectors es %04x cs %04x ss %04x ds %04x fs %04x gs %04x; second page %u%s\n%s",
              static_cast<Number>(block.number), name_of(block.setting), block.runs.size(), block.selectors[0], block.selectors[1],
              block.selectors[2], block.selectors[3], block.selectors[4], block.selectors[5], static_cast<unsigned>(block.second_page),
              block.warm ? "; pages accessed and dirty" : "", listing(block, code, decoder_).c_str());
  std::fflush(stdout);
}

void Test::print_difference(const BlockCase& block, const Difference& difference) const {
  print_case(block);
  const RunSpec& run = block.runs[difference.run];
  std::printf("  run %zu: budget %llu, slices %u, interrupt after %d; starts with\n%s", difference.run, static_cast<Number>(run.budget),
              run.slices, run.interrupt_after, describe(run.start).c_str());
  for (const std::string& line : difference.lines) std::printf("  > %s\n", line.c_str());
  std::printf("  after %llu instructions, interp\n%s", static_cast<Number>(difference.retired), describe(difference.oracle).c_str());
  if (!options_.brief) std::printf("  %s\n%s", options_.engine.c_str(), describe(difference.tested).c_str());
  std::fflush(stdout);
}

void Test::show(const BlockCase& block, const Difference& difference) const {
  std::printf("DIFFERENCE: seed %llu, case %llu, threshold %u\n", static_cast<Number>(options_.seed), static_cast<Number>(block.number),
              threshold(block.number));
  if (!options_.brief) print_difference(block, difference);
  const Ending alone = outcome(block);
  if (!alone.exited || alone.status != 1) {
    std::printf("  Alone it %s: it needs cases before it, --case %llu --history shows it again.\n", describe(alone).c_str(),
                static_cast<Number>(block.number));
    if (options_.brief) print_difference(block, difference);
    return;
  }
  print_small(shrink(block, [&](const BlockCase& candidate) {
    const Ending ending = outcome(candidate);
    return ending.exited && ending.status == 1;
  }));
}

void Test::print_small(const BlockCase& small) const {
  std::printf("SHRUNKEN to %zu items and %zu runs:\n", small.items.size(), small.runs.size());
  Difference last;
  if (differs(small, last)) print_difference(small, last);
  else print_case(small);
}

void Test::show_death(u64 number, const Ending& ending) const {
  std::printf("DIED: seed %llu, case %llu, threshold %u: it %s\n", static_cast<Number>(options_.seed), static_cast<Number>(number),
              threshold(number), describe(ending).c_str());
  const BlockCase block = make(number);
  if (!options_.brief) print_case(block);
  if (outcome(block).exited) {
    std::printf("  Alone it lives: it needs cases before it, --case %llu --history shows it again.\n", static_cast<Number>(number));
    return;
  }
  const BlockCase small = shrink(block, [&](const BlockCase& candidate) { return !outcome(candidate).exited; });
  std::printf("SHRUNKEN to %zu items and %zu runs:\n", small.items.size(), small.runs.size());
  print_case(small);
  const RunSpec& run = small.runs.back();
  std::printf("  the last run: budget %llu, slices %u, interrupt after %d; starts with\n%s", static_cast<Number>(run.budget), run.slices,
              run.interrupt_after, describe(run.start).c_str());
  std::fflush(stdout);
}

}  // namespace doppel::blocks
