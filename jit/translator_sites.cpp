// Sites: what accesses of traces have found last (mmu::ShadowTlb::Site).
//
// An access remembers a page at first. One that wanders from page to page may remember a run of pages instead; if that does
// not help, it looks at the index. Of sites for runs there are few, and each belongs to one place in one living trace: a trace
// that has not run of late dies when another needs them.

#include <algorithm>
#include <utility>

#include "jit/translator_impl.h"

namespace doppel::jit {
namespace {

using Bound = mmu::ShadowTlb::Bound;

/// A miss costs some 50 cycles, an index 3 to 8 at each access: a site that misses more often than once in so many times
/// is given up, unless so few misses are nothing.
constexpr u64 kTimesForOneMiss = 12;
/// A run costs hardly more than a page: for less than that, too, if it is short. A stack lies in two pages.
constexpr u64 kTimesForShortRun = 64;
constexpr u64 kShortRun = 16;
/// How often it may hold more pages instead. Arrays grow, and processes come and go.
constexpr u32 kMostChances = 12;
constexpr u32 kMostChancesOfEmpty = 3;
/// Misses for which it is worth to move one page. Who walks through memory misses once a page and does not come back.
constexpr u64 kMissesForOnePage = 32;
/// Instructions that something is remembered of: a bound, not a tuning.
constexpr size_t kMostRemembered = 50'000;

/// One that is left for its mask may be kept for its limit.
u64 key_of(u64 physical, Bound bound) { return physical << 1 | static_cast<u64>(bound); }

}  // namespace

/// Whose site this is, if he is alive.
TranslatedBlock* Translator::Impl::owner_of(u32 block_number, u16 site) const {
  TranslatedBlock* const block = blocks_.by_number(block_number);
  if (block == nullptr) return nullptr;
  const auto uses = block->code.tlb_sites();
  const bool has_it = std::any_of(uses.begin(), uses.end(), [site](const EmittedBlock::SiteUse& use) { return use.number == site; });
  return has_it ? block : nullptr;
}

/// Up to `count` sites for runs, for loads or for stores.
std::vector<u16> Translator::Impl::free_run_sites(SiteOwners& owners, bool is_store, size_t count) {
  std::vector<u16> found;
  for (size_t tried = 0; tried < owners.numbers.size() && found.size() < count; ++tried) {
    const size_t place = std::exchange(owners.next, (owners.next + 1) % owners.numbers.size());
    const u16 site = static_cast<u16>(mmu::ShadowTlb::kPageSites + 2 * place + is_store);
    TranslatedBlock* const owner = owner_of(owners.numbers[place], site);
    if (owner != nullptr && owner->heat != 0) continue;
    if (owner != nullptr) blocks_.kill(*owner);
    found.push_back(site);
  }
  return found;
}

/// What the accesses of a trace are to remember. Others may die for it.
SiteUses Translator::Impl::take_sites(const Trace& trace, const BlockPlan& plan, Mode mode) {
  SiteUses sites;
  std::array<size_t, 2> wanted{};
  for (size_t i = 0; i < plan.instructions.size(); ++i) {
    bool has_run = false;
    for (const Bound bound : {Bound::Limit, Bound::Mask}) {
      const u64 key = key_of(trace.physical_of(i), bound);
      if (wandering_.contains(key)) continue;
      const bool holds_run = holding_runs_.contains(key);
      (holds_run ? sites.runs : sites.pages)[static_cast<size_t>(bound)] |= u64{1} << i;
      has_run |= holds_run;
    }
    // A loop is emitted twice.
    for (const MemoryUse& use : plan.instructions[i].uses) {
      const bool is_store = use.group < 0 ? use.write : plan.groups[static_cast<size_t>(use.group)].write;
      if (has_run) wanted[is_store] += 2;
    }
  }
  auto& owners = site_owners_[static_cast<size_t>(mode.privilege())];
  for (const bool is_store : {false, true}) sites.run_sites[is_store] = free_run_sites(owners[is_store], is_store, wanted[is_store]);
  return sites;
}

/// The trace's from now on.
void Translator::Impl::begin_sites(const TranslatedBlock& trace) {
  const mmu::Mmu::PrivilegeClass rights = Mode(trace.key.mode).privilege();
  for (const EmittedBlock::SiteUse& use : trace.code.tlb_sites()) {
    cpu_.mmu.table(rights).begin_site(use.number, use.bound, use.size);
    if (!mmu::ShadowTlb::is_for_run(use.number)) continue;
    const size_t place = (use.number - mmu::ShadowTlb::kPageSites) / 2;
    site_owners_[static_cast<size_t>(rights)][use.number % 2].numbers[place] = trace.number;
  }
}

/// A site that misses often may hold a run of pages instead of one. Not a kernel's: what it goes through changes with each process
/// that it serves, and most of its addresses follow each other as the frames do.
bool Translator::Impl::holds_more(mmu::Mmu::PrivilegeClass rights, u16 number, u64 key, u64 most_pages) {
  if (rights != mmu::Mmu::PrivilegeClass::User) return false;
  const mmu::ShadowTlb& table = cpu_.mmu.table(rights);
  const mmu::ShadowTlb::Site& site = table.sites[number];
  if (chances_.size() >= kMostRemembered) chances_.clear();
  Chances& chances = chances_[key];
  // One instruction may have many sites.
  if (std::exchange(chances.taken_at, sites_checked_at_) != sites_checked_at_) ++chances.taken;
  if (chances.taken > kMostChances) return false;
  // What it held has gone: to become more just now, or by chance; or with each change of address space.
  if (site.minus_begin == mmu::ShadowTlb::kNoSite) return has_gathered_ || chances.taken <= kMostChancesOfEmpty;
  const Access access = number % 2 != 0 ? Access::Write : Access::Read;
  const LinearAddr page(-site.minus_begin);
  const u64 held = table.bytes_of(site);
  if (table.bytes_around(access, page) > held) return true;
  const bool is_more = cpu_.mmu.gather(rights, access, page, most_pages) > held;
  has_gathered_ |= is_more;
  return is_more;
}

/// Accesses whose sites miss often get the index: their traces are made anew. So are traces whose calls lead elsewhere.
/// How often a trace ran is told by the samples that found it. All counts fade, so that the last few looks decide.
void Translator::Impl::check_sites() {
  if (cpu_.state.retired - sites_checked_at_ <= options_.site_interval) return;
  sites_checked_at_ = cpu_.state.retired;
  has_gathered_ = false;
  std::erase_if(sampled_, [this](u32 number) {
    TranslatedBlock* const trace = blocks_.by_number(number);
    if (trace == nullptr || !trace->is_trace) return true;
    const mmu::Mmu::PrivilegeClass rights = Mode(trace->key.mode).privilege();
    const u64 runs = (trace->heat + 1) * options_.sample_interval / trace->count;
    const u64 allowed = std::max(kFewMisses, runs / kTimesForOneMiss);
    bool is_concerned = misses_guards(*trace, runs);
    for (const EmittedBlock::SiteUse& use : trace->code.tlb_sites()) {
      mmu::ShadowTlb::Site& site = cpu_.mmu.table(rights).sites[use.number];
      const u64 key = key_of(trace->trace_code->physical_of(use.instruction), use.bound);
      const bool misses_often = site.misses > allowed;
      if (misses_often || site.misses > std::max(kFewMisses, runs / kTimesForShortRun)) {
        const u64 most_pages = misses_often ? site.misses / kMissesForOnePage : kShortRun;
        const bool may_hold_run = holds_more(rights, use.number, key, most_pages);
        if (may_hold_run || misses_often) {
          std::unordered_set<u64>& known = may_hold_run ? holding_runs_ : wandering_;
          if (known.size() >= kMostRemembered) known.clear();
          known.insert(key);
          if (!may_hold_run || !mmu::ShadowTlb::is_for_run(use.number)) is_concerned = true;
          site.misses = 0;
        }
      }
      site.misses /= 2;
    }
    trace->heat /= 2;
    if (is_concerned) make_anew(*trace);
    return is_concerned || trace->heat == 0;
  });
}

}  // namespace doppel::jit
