#include "frontend/loaders/boot_plan.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "cpu/arch/paging.h"

namespace doppel::frontend::loaders {
namespace {

void put64(std::vector<u8>& bytes, size_t offset, u64 value) {
  std::memcpy(&bytes[offset], &value, 8);
}

}  // namespace

Piece gdt_piece(Entry::Mode mode) {
  std::vector<u8> bytes(boot_gdt::kSize);
  const u64 code = mode == Entry::Mode::Long64 ? 0x00af'9b00'0000'ffff : 0x00cf'9b00'0000'ffff;
  put64(bytes, 0x08, code);
  put64(bytes, boot_gdt::kCode, code);
  put64(bytes, boot_gdt::kData, 0x00cf'9300'0000'ffff);
  return {PhysAddr(boot_gdt::kAddress), std::move(bytes)};
}

Piece identity_map_piece() {
  constexpr u64 kTable = pte::P | pte::W | pte::A;
  constexpr u64 kLargePage = kTable | pte::D | pte::PS;
  std::vector<u8> bytes(kPageTablesEnd - kPageTables);
  const u64 pointers = kPageTables + 0x1000;
  const u64 directories = kPageTables + 0x2000;
  put64(bytes, 0, pointers | kTable);
  for (u64 i = 0; i < 4; ++i) put64(bytes, 0x1000 + i * 8, (directories + i * 0x1000) | kTable);
  for (u64 i = 0; i < 2048; ++i) put64(bytes, 0x2000 + i * 8, (i << 21) | kLargePage);
  return {PhysAddr(kPageTables), std::move(bytes)};
}

Result<void, Error> check_plan(const BootPlan& plan, const MemoryMap& memory) {
  std::vector<const Piece*> order;
  for (const Piece& piece : plan.pieces) {
    if (piece.size() == 0) continue;
    if (!memory.is_usable(piece.address.value, piece.size())) {
      char text[120];
      std::snprintf(text, sizeof text, "0x%llx bytes at 0x%llx do not fit into RAM (-m gives more)",
                    static_cast<unsigned long long>(piece.size()), static_cast<unsigned long long>(piece.address.value));
      return Error{text};
    }
    order.push_back(&piece);
  }
  std::sort(order.begin(), order.end(),
            [](const Piece* a, const Piece* b) { return a->address < b->address; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->end() > order[i]->address.value) {
      char text[120];
      std::snprintf(text, sizeof text, "two parts want the memory at 0x%llx",
                    static_cast<unsigned long long>(order[i]->address.value));
      return Error{text};
    }
  }
  return {};
}

}  // namespace doppel::frontend::loaders
