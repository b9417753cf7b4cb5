#include "frontend/guest_view.h"

#include <algorithm>
#include <cstdio>

#include "cpu/decoder.h"

namespace doppel::frontend {
namespace {

const char* level_name(u8 level) {
  static constexpr const char* kNames[] = {"?", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
  return kNames[level <= 5 ? level : 0];
}

cpu::CodeSize code_size(const cpu::CpuState& state) {
  if (state.code64()) return cpu::CodeSize::Bits64;
  return state.segment(Seg::CS).big() ? cpu::CodeSize::Bits32 : cpu::CodeSize::Bits16;
}

}  // namespace

LinearAddr GuestView::code_address(u64 offset) const {
  const cpu::CpuState& state = machine_.cpu().state;
  if (state.code64()) return LinearAddr(offset);
  return LinearAddr((state.segment(Seg::CS).base + offset) & 0xffff'ffff);
}

LinearAddr GuestView::stack_address() const {
  const cpu::CpuState& state = machine_.cpu().state;
  if (state.code64()) return LinearAddr(state.gpr[RSP]);
  return LinearAddr((state.segment(Seg::SS).base + (state.gpr[RSP] & machine_.cpu().stack_mask())) &
                    0xffff'ffff);
}

GuestView::Walk GuestView::walk(LinearAddr address, mmu::WalkRequest request) const {
  return walk_in(machine_.cpu().mmu.context(), address, request);
}

GuestView::Walk GuestView::locate(LinearAddr address) const {
  PagingContext context = machine_.cpu().mmu.context();
  context.cr4 &= ~cr4::SMAP;
  context.pkru = 0;
  return walk_in(context, address, {Access::Read, Privilege::Implicit, false});
}

GuestView::Walk GuestView::walk_in(const PagingContext& context, LinearAddr address,
                                   mmu::WalkRequest request) const {
  Walk result;
  result.address = address;
  mmu::Mmu& mmu = machine_.cpu().mmu;
  const auto page = mmu.walker().explain(context, address, request, result.steps);
  result.ok = page.ok();
  if (result.ok) {
    result.physical = machine_.memory().apply_a20(page.value().page + address.page_offset());
    result.present = machine_.pmap().lookup(result.physical).state != mmu::PageState::Absent;
  }
  return result;
}

std::vector<std::string> GuestView::describe(const Walk& walk) {
  std::vector<std::string> lines;
  char text[160];
  for (const mmu::WalkStep& step : walk.steps) {
    std::snprintf(text, sizeof text, "%-5s at 0x%llx = 0x%016llx%s%s", level_name(step.level),
                  static_cast<unsigned long long>(step.entry_address.value),
                  static_cast<unsigned long long>(step.entry),
                  step.failure != nullptr ? "  <- " : "",
                  step.failure != nullptr ? step.failure : "");
    lines.emplace_back(text);
  }
  if (walk.ok) {
    std::snprintf(text, sizeof text, "leads to 0x%llx%s",
                  static_cast<unsigned long long>(walk.physical.value),
                  walk.present ? "" : ", where there is no memory");
    lines.emplace_back(text);
  }
  return lines;
}

std::vector<u8> GuestView::read(LinearAddr address, size_t size) const {
  std::vector<u8> bytes;
  while (bytes.size() < size) {
    const LinearAddr at = address + bytes.size();
    const Walk page = locate(at);
    if (!page.ok || !page.present) break;
    const size_t count = std::min<size_t>(size - bytes.size(), kPageSize - at.page_offset());
    const size_t begin = bytes.size();
    bytes.resize(begin + count);
    machine_.memory().read_bytes(page.physical, std::span(bytes).subspan(begin));
  }
  return bytes;
}

std::vector<GuestView::Line> GuestView::disassemble(LinearAddr address, unsigned count) const {
  const cpu::Decoder decoder(machine_.cpu().model());
  const std::vector<u8> bytes = read(address, size_t{count} * 15);
  std::vector<Line> lines;
  size_t at = 0;
  while (lines.size() < count && at < bytes.size()) {
    unsigned length = 0;
    Line line;
    line.address = address.value + at;
    line.text = decoder.disassemble(code_size(machine_.cpu().state), bytes.data() + at,
                                    std::min<size_t>(bytes.size() - at, 15), line.address, &length);
    length = std::clamp<unsigned>(length, 1,
                                  static_cast<unsigned>(std::min<size_t>(bytes.size() - at, 15)));
    for (unsigned i = 0; i < length; ++i) {
      char hex[4];
      std::snprintf(hex, sizeof hex, "%02x", bytes[at + i]);
      line.bytes += hex;
    }
    at += length;
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace doppel::frontend
