// Blocks looked at again: by the verifier, by who asks for a listing, by who makes them anew.

#include <algorithm>
#include <array>

#include "cpu/base/check.h"
#include "jit/translator_impl.h"

namespace doppel::jit {

/// Of the block that was emitted last.
void Translator::Impl::check_block(const TranslatedBlock& block) {
  VerifierRules rules;
  rules.code_begin = cache_.address(0);
  rules.code_end = cache_.address(cache_.size());
  rules.is_entry = [this](u64 address) { return cache_.contains(address) && cache_.offset_of(address) < CodeCache::kStubBytes; };
  rules.state_low = -kStateBias;
  rules.state_high = static_cast<i64>(reinterpret_cast<const u8*>(&cpu_ + 1) - reinterpret_cast<const u8*>(&cpu_.state)) - kStateBias;
  std::vector<MemorySite> sites = emitter_->memory_sites();
  for (MemorySite& site : sites) site.offset -= block.code.begin;
  const auto violation = verify_block({cache_.writable(block.code.begin), block.code.end - block.code.begin},
                                      cache_.address(block.code.begin), sites, rules, block.code.address_registers);
  DOPPEL_CHECK(!violation.has_value(), violation->c_str());
}

Listing Translator::Impl::listing_of(const TranslatedBlock& block, const Trace& guest) {
  Listing listing;
  listing.guest_rip = block.key.rip;
  listing.physical = block.key.physical;
  listing.code_size = Mode(block.key.mode).code_size();
  listing.guest = guest.instructions;
  listing.guest_rips = guest.rips;
  listing.host = {cache_.writable(block.code.begin), block.code.end - block.code.begin};
  listing.host_address = cache_.address(block.code.begin);
  listing.host_offsets = block.code.instruction_offsets;
  return listing;
}

void Translator::Impl::for_each_block_at(LinearAddr address, const std::function<void(const Listing&)>& visit) {
  // Whoever only looks must not set accessed bits.
  mmu::PageWalker::Steps steps;
  const auto walked = cpu_.mmu.walker().explain(cpu_.mmu.context(), address, {Access::Fetch}, steps);
  if (!walked.ok()) return;
  const u64 physical = cpu_.mmu.memory().apply_a20(walked.value().page).value | address.page_offset();
  const auto* const on_page = blocks_.on_page(physical >> kPageShift);
  if (on_page == nullptr) return;
  for (const BlockTable::OnPage& one : *on_page) {
    const TranslatedBlock* const block = one.block;
    const u64 offset = physical & kPageOffsetMask;
    if (offset < one.begin || offset >= one.end) continue;
    // The bytes as they are in memory: they have not changed, or the block would be dead.
    const Trace guest = guest_of(*block);
    if (guest.covers(physical) || block->is_straddling()) visit(listing_of(*block, guest));
  }
}

/// Decoded anew from memory.
Trace Translator::Impl::guest_of(const TranslatedBlock& block) {
  const Mode mode(block.key.mode);
  Trace guest;
  guest.begin(block.key.rip, block.key.variant.context);
  guest.closes = block.code.is_loop;
  u64 rip = block.key.rip;
  u64 physical = block.key.physical;
  for (size_t i = 0; i < block.count; ++i) {
    if (block.trace_code != nullptr) {
      rip = block.trace_code->rip_of(i);
      physical = block.trace_code->physical_of(i);
    }
    std::array<u8, kLongestInstruction> bytes{};
    const u64 here = std::min(kLongestInstruction, kPageSize - (physical & kPageOffsetMask));
    cpu_.mmu.memory().read_bytes(PhysAddr(physical), {bytes.data(), here});
    if (block.is_straddling()) {
      cpu_.mmu.memory().read_bytes(PhysAddr(block.key.second_page - 1), {bytes.data() + here, bytes.size() - here});
    }
    cpu::Instruction insn;
    (void)interpreter_.decoder().decode(mode.code_size(), (mode.decoder_key() & 4) != 0, bytes.data(), bytes.size(), insn);
    guest.add(insn, rip, physical);
    rip += insn.length;
    physical += insn.length;
  }
  return guest;
}

}  // namespace doppel::jit
