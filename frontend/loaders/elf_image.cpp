#include "frontend/loaders/elf_image.h"

#include <algorithm>
#include <cstring>

#include <elf.h>

#include "cpu/base/bits.h"
#include "frontend/loaders/pvh_start_info.h"

namespace doppel::frontend::loaders {
namespace {

constexpr u32 kXenPhys32Entry = 18;
constexpr unsigned kMostSegments = 256;

/// Looks through one PT_NOTE segment. @source System V ABI, "Note Section"
std::optional<u64> find_pvh_note(const ByteView& file, u64 offset, u64 size, u64 alignment) {
  const u64 end = offset + size;
  if (!file.contains(offset, size)) return std::nullopt;
  const u64 padding = alignment == 8 ? 8 : 4;
  while (end - offset >= sizeof(Elf32_Nhdr)) {
    const auto note = file.at<Elf32_Nhdr>(offset);
    const u64 name = offset + sizeof note;
    const u64 description = name + align_up(note.n_namesz, padding);
    const u64 next = description + align_up(note.n_descsz, padding);
    if (description > end || note.n_descsz > end - description) return std::nullopt;
    const auto owner = file.slice(name, note.n_namesz);
    if (note.n_type == kXenPhys32Entry && owner.size() == 4 &&
        std::memcmp(owner.data(), "Xen", 4) == 0) {
      return note.n_descsz >= 8 ? file.at<u64>(description) : u64{file.at<u32>(description)};
    }
    if (next > end) return std::nullopt;
    offset = next;
  }
  return std::nullopt;
}

template <class Header, class Program>
Result<ElfImage, Error> parse(const ByteView& file) {
  const auto header = file.at<Header>(0);
  ElfImage elf;
  elf.is_64_bit = sizeof(Header) == sizeof(Elf64_Ehdr);
  elf.entry = header.e_entry;
  elf.section_offset = header.e_shoff;
  elf.section_count = header.e_shnum;
  elf.section_bytes = header.e_shentsize;
  elf.section_names = header.e_shstrndx;
  if (header.e_phnum == 0) return Error{"has no program headers: it is not linked"};
  if (header.e_phnum > kMostSegments) return Error{"has too many program headers"};
  if (header.e_phentsize < sizeof(Program)) return Error{"has program headers of a wrong size"};
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const u64 at = header.e_phoff + u64{i} * header.e_phentsize;
    if (at < header.e_phoff || !file.contains(at, sizeof(Program)))
      return Error{"is cut short: program headers lie outside"};
    const auto program = file.at<Program>(at);
    if (program.p_type == PT_NOTE && !elf.pvh_entry) {
      elf.pvh_entry = find_pvh_note(file, program.p_offset, program.p_filesz, program.p_align);
    }
    if (program.p_type != PT_LOAD || program.p_memsz == 0) continue;
    if (!file.contains(program.p_offset, program.p_filesz))
      return Error{"is cut short: a segment lies outside"};
    if (program.p_filesz > program.p_memsz)
      return Error{"has a segment that is larger in the file than in memory"};
    elf.segments.push_back(
        {program.p_offset, program.p_paddr, program.p_vaddr, program.p_filesz, program.p_memsz});
  }
  if (elf.segments.empty()) return Error{"has nothing to load"};
  return elf;
}

}  // namespace

std::optional<u64> ElfImage::physical_of(u64 linear) const {
  for (const ElfSegment& segment : segments) {
    if (linear >= segment.linear && linear - segment.linear < segment.memory_bytes) {
      return segment.physical + (linear - segment.linear);
    }
  }
  return std::nullopt;
}

u64 ElfImage::physical_end() const {
  u64 end = 0;
  for (const ElfSegment& segment : segments)
    end = std::max(end, segment.physical + segment.memory_bytes);
  return end;
}

bool is_elf(const std::vector<u8>& image) {
  return image.size() >= SELFMAG && std::memcmp(image.data(), ELFMAG, SELFMAG) == 0;
}

Result<ElfImage, Error> parse_elf(const std::vector<u8>& image) {
  const ByteView file(image);
  if (!is_elf(image)) return Error{"is no ELF file"};
  if (file.at<u8>(EI_DATA) != ELFDATA2LSB) return Error{"is big endian"};
  const u8 type = file.at<u8>(EI_CLASS);
  if (type != ELFCLASS32 && type != ELFCLASS64) return Error{"is of an unknown ELF class"};
  if (!file.contains(0, type == ELFCLASS64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
    return Error{"is cut short"};
  // Type and machine stand at the same place in both.
  const auto header = file.at<Elf32_Ehdr>(0);
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
    return Error{"is no program: its ELF type is " + std::to_string(header.e_type)};
  if (header.e_machine != EM_386 && header.e_machine != EM_X86_64) {
    return Error{"is for another machine: its ELF number is " + std::to_string(header.e_machine)};
  }
  return type == ELFCLASS64 ? parse<Elf64_Ehdr, Elf64_Phdr>(file)
                            : parse<Elf32_Ehdr, Elf32_Phdr>(file);
}

Result<std::vector<Piece>, Error> elf_pieces(const ElfImage& elf, const std::vector<u8>& image,
                                             const MemoryMap& memory) {
  std::vector<Piece> pieces;
  u64 total = 0;
  for (const ElfSegment& segment : elf.segments) {
    // Checked before anything is allocated: the size is the file's word.
    if (!memory.is_usable(segment.physical, segment.memory_bytes))
      return Error{"does not fit into RAM (-m gives more)"};
    total += segment.memory_bytes;
    if (total > memory.low_end() * 2) return Error{"has segments that overlap"};
    Piece piece;
    piece.address = PhysAddr(segment.physical);
    const auto begin = image.begin() + static_cast<std::ptrdiff_t>(segment.offset);
    piece.bytes.assign(begin, begin + static_cast<std::ptrdiff_t>(segment.file_bytes));
    piece.zeros = segment.memory_bytes - segment.file_bytes;
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

Result<BootPlan, Error> plan_elf(const KernelFiles& files, const BootContext& context) {
  DOPPEL_TRY(const ElfImage elf, parse_elf(files.image));
  if (elf.pvh_entry) return plan_pvh(files, context, *elf.pvh_entry);
  BootPlan plan;
  DOPPEL_TRY(plan.pieces, elf_pieces(elf, files.image, context.memory));
  const u64 floor = elf.physical_end();
  DOPPEL_TRY(const u64 start_info, add_start_info(files, context, floor, plan));

  constexpr u64 kStackBytes = 0x4000;
  const auto stack = context.memory.place_high(kStackBytes, floor, start_info, 16);
  if (!stack) return Error{"leaves no room for a stack (-m gives more)"};
  plan.entry.stack_pointer = *stack + kStackBytes;
  if (elf.is_64_bit) {
    if (!context.long_mode) return Error{"is 64-bit, and the processor (-cpu) is not"};
    plan.kind = "elf 64-bit";
    plan.entry.mode = Entry::Mode::Long64;
    plan.entry.page_table = kPageTables;
    plan.entry.rdi = start_info;
    plan.pieces.push_back(identity_map_piece());
  } else {
    plan.kind = "elf 32-bit";
    plan.entry.mode = Entry::Mode::Protected32;
    plan.entry.rbx = start_info;
  }
  // Paging is off or maps addresses to themselves: an entry in a higher half is given by its place.
  plan.entry.ip = elf.physical_of(elf.entry).value_or(elf.entry);
  plan.pieces.push_back(gdt_piece(plan.entry.mode));
  return plan;
}

}  // namespace doppel::frontend::loaders
