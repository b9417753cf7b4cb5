// What both versions of multiboot share: raw images by address fields, and modules.

#include "cpu/base/bits.h"
#include "frontend/loaders/multiboot.h"

namespace doppel::frontend::loaders {

Result<Piece, Error> raw_piece(const std::vector<u8>& image, u64 header_offset,
                               const AddressFields& fields, const MemoryMap& memory) {
  if (fields.load > fields.header || fields.header - fields.load > header_offset) {
    return Error{"has multiboot addresses that lie before the file"};
  }
  const u64 first = header_offset - (fields.header - fields.load);
  u64 size = image.size() - first;
  if (fields.load_end != 0) {
    if (fields.load_end < fields.load || fields.load_end - fields.load > size) {
      return Error{"is cut short: its multiboot header announces more"};
    }
    size = fields.load_end - fields.load;
  }
  u64 memory_size = size;
  if (fields.bss_end != 0) {
    if (fields.bss_end < fields.load + size)
      return Error{"has a multiboot bss that ends before it begins"};
    memory_size = fields.bss_end - fields.load;
  }
  if (!memory.is_usable(fields.load, memory_size))
    return Error{"does not fit into RAM (-m gives more)"};
  Piece piece;
  piece.address = PhysAddr(fields.load);
  const auto begin = image.begin() + static_cast<std::ptrdiff_t>(first);
  piece.bytes.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
  piece.zeros = memory_size - size;
  return piece;
}

Result<std::vector<PlacedModule>, Error> place_modules(const KernelFiles& files,
                                                       const BootContext& context, u64 floor,
                                                       BootPlan& plan) {
  std::vector<PlacedModule> placed;
  u64 at = align_up(std::max<u64>(floor, 0x100000), kPageSize);
  for (const Module& module : files.modules) {
    if (!context.memory.is_usable(at, module.bytes.size()))
      return Error{"there is no room for " + module.name + " (-m gives more)"};
    plan.pieces.push_back({PhysAddr(at), module.bytes});
    placed.push_back({at, at + module.bytes.size()});
    at = align_up(at + module.bytes.size(), kPageSize);
  }
  return placed;
}

}  // namespace doppel::frontend::loaders
