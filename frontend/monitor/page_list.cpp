#include "frontend/monitor/page_list.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <span>
#include <string_view>

#include "cpu/arch/control.h"
#include "cpu/arch/paging.h"
#include "frontend/monitor/hmp.h"

namespace doppel::frontend {
namespace {

// A guest can map one page at a million places: the search has an end, and so has the answer.
constexpr u64 kMostWalks = 1'000'000;

struct Page {
  LinearAddr address;
  u64 size = 0;
  PhysAddr physical;
  u64 leaf = 0;  ///< The entry that maps it.
  mmu::Translation rights;
};

/// Bytes that one entry of a level covers.
u64 span_of(PagingMode mode, unsigned level) {
  const unsigned bits = mode == PagingMode::Bits32 ? 10 : 9;
  return u64{1} << (12 + bits * (level - 1));
}

/// The first address from `at` on whose entry in the same table as `failed`'s is present, or the
/// first one behind the table.
u64 skip_absent(Machine& machine, PagingMode mode, const mmu::WalkStep& failed, u64 at) {
  const u64 span = span_of(mode, failed.level);
  const u64 table = span * (mode == PagingMode::Bits32 ? 1024 : 512);
  const Width width = mode == PagingMode::Bits32 ? Width::Dword : Width::Qword;
  at = (at | (span - 1)) + 1;
  // The four uppermost entries of PAE are not in memory any more once they are loaded.
  if (mode == PagingMode::Pae && failed.level == 3) return at;
  for (PhysAddr entry = failed.entry_address + bytes(width); at % table != 0;
       at += span, entry = entry + bytes(width)) {
    u8 lowest = 0;
    machine.memory().read_bytes(entry, std::span(&lowest, 1));
    if ((lowest & pte::P) != 0) break;
  }
  return at;
}

/// Calls `visit(Page)` for each mapped page, in order, while it wants more. False if that was not
/// all.
template <class Visitor>
bool visit_pages(Machine& machine, Visitor&& visit) {
  mmu::Mmu& mmu = machine.cpu().mmu;
  // Rights are told, not asked for.
  PagingContext context = mmu.context();
  context.cr4 &= ~cr4::SMAP;
  context.pkru = 0;
  const PagingMode mode = paging_mode(context);
  const bool is_long = mode == PagingMode::Level4 || mode == PagingMode::Level5;
  const unsigned width = mode == PagingMode::Level5 ? 57 : is_long ? 48 : 32;
  const u64 end = u64{1} << width;
  const u64 sign = is_long ? ~((u64{1} << width) - 1) : 0;
  u64 walks = 0;
  for (u64 at = 0; at < end;) {
    if (++walks > kMostWalks) return false;
    const bool upper_half = is_long && (at >> (width - 1)) != 0;
    const LinearAddr address(upper_half ? at | sign : at);
    mmu::PageWalker::Steps steps;
    const auto found = mmu.walker().explain(
        context, address, {Access::Read, Privilege::Implicit, false}, steps);
    if (!found.ok()) {
      at = steps.empty() ? at + kPageSize : skip_absent(machine, mode, steps.back(), at);
      continue;
    }
    const u64 size = found.value().page_size;
    const Page page{address, size, PhysAddr(found.value().page.value & ~(size - 1)),
                    steps.empty() ? 0 : steps.back().entry, found.value()};
    if (!visit(page)) return false;
    at += size;
  }
  return true;
}

}  // namespace

std::string mapped_ranges(Machine& machine) {
  std::string out;
  u64 begin = 0;
  u64 end = 0;
  char rights[5] = "";
  const auto close = [&] {
    if (end == begin) return;
    char text[80];
    std::snprintf(text, sizeof text, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %s\n", begin, end,
                  end - begin, rights);
    out += text;
  };
  const bool complete = visit_pages(machine, [&](const Page& page) {
    const char now[5] = {page.rights.user ? 'u' : '-', 'r', page.rights.writable ? 'w' : '-',
                         page.rights.executable ? 'x' : '-', '\0'};
    if (page.address.value != end || std::string_view(now) != rights) {
      close();
      begin = page.address.value;
      std::copy(std::begin(now), std::end(now), std::begin(rights));
    }
    end = page.address.value + page.size;
    return out.size() <= Hmp::kLongestAnswer;
  });
  close();
  return complete ? out : out + "and more\n";
}

std::string mapped_pages(Machine& machine) {
  std::string out;
  const bool complete = visit_pages(machine, [&out](const Page& page) {
    const auto flag = [&page](u64 bit, char letter) { return (page.leaf & bit) != 0 ? letter : '-'; };
    const bool large = page.size != kPageSize;
    char text[80];
    std::snprintf(text, sizeof text, "%016" PRIx64 ": %016" PRIx64 " %c%c%c%c%c%c%c%c%c\n",
                  page.address.value, page.physical.value, page.rights.executable ? '-' : 'X',
                  flag(pte::G, 'G'), large ? 'P' : '-', flag(pte::D, 'D'), flag(pte::A, 'A'),
                  flag(pte::PCD, 'C'), flag(pte::PWT, 'T'), page.rights.user ? 'U' : '-',
                  page.rights.writable ? 'W' : '-');
    out += text;
    return out.size() <= Hmp::kLongestAnswer;
  });
  return complete ? out : out + "and more\n";
}

}  // namespace doppel::frontend
