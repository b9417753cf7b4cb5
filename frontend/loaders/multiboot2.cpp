// Multiboot 2: the same idea as lists of tags, in the image and in what it gets.

#include <algorithm>
#include <optional>

#include <elf.h>

#include "cpu/base/bits.h"
#include "frontend/loaders/byte_view.h"
#include "frontend/loaders/elf_image.h"
#include "frontend/loaders/multiboot.h"

namespace doppel::frontend::loaders {
namespace {

constexpr u32 kHeaderMagic = 0xe852'50d6;
constexpr u32 kBootMagic = 0x36d7'6289;
constexpr u64 kSearchBytes = 32768;

// Tags of the header.
enum HeaderTag : u16 {
  kEndTag,
  kRequestTag,
  kAddressTag,
  kEntryTag,
  kConsoleTag,
  kFramebufferTag,
  kAlignTag,
  kEfiTag,
  kEfi32EntryTag,
  kEfi64EntryTag,
  kRelocatableTag
};
// Tags of the information.
enum InfoTag : u32 {
  kInfoEnd,
  kInfoCommandLine,
  kInfoLoaderName,
  kInfoModule,
  kInfoMemory,
  kInfoBootDevice,
  kInfoMemoryMap,
  kInfoElfSections = 9,
  kInfoOldRsdp = 14,
  kInfoNewRsdp = 15,
  kInfoLoadBase = 21
};

std::optional<u64> find_header(const ByteView& image) {
  const u64 end = std::min(image.size(), kSearchBytes);
  for (u64 at = 0; at + 16 <= end; at += 8) {
    if (image.at<u32>(at) != kHeaderMagic) continue;
    const u32 sum =
        image.at<u32>(at) + image.at<u32>(at + 4) + image.at<u32>(at + 8) + image.at<u32>(at + 12);
    if (sum == 0) return at;
  }
  return std::nullopt;
}

struct Wishes {
  std::optional<AddressFields> address;
  std::optional<u64> entry;
};

Result<Wishes, Error> read_header(const ByteView& image, u64 header) {
  if (image.at<u32>(header + 4) != 0) return Error{"is a multiboot 2 image for another machine"};
  const u64 end = header + image.at<u32>(header + 8);
  if (end > image.size()) return Error{"is cut short: its multiboot 2 header leaves the file"};
  Wishes wishes;
  u64 at = header + 16;
  while (at + 8 <= end) {
    const u16 type = image.at<u16>(at);
    const bool optional = (image.at<u16>(at + 2) & 1) != 0;
    const u64 size = image.at<u32>(at + 4);
    if (type == kEndTag) return wishes;
    if (size < 8 || size > end - at) return Error{"has a damaged multiboot 2 tag"};
    switch (type) {
      case kAddressTag:
        if (size < 24) return Error{"has a damaged multiboot 2 tag"};
        wishes.address = AddressFields{image.at<u32>(at + 8), image.at<u32>(at + 12),
                                       image.at<u32>(at + 16), image.at<u32>(at + 20), 0};
        break;
      case kEntryTag:
        wishes.entry = image.at<u32>(at + 8);
        break;
      case kRequestTag:
      case kConsoleTag:
      case kFramebufferTag:
      case kAlignTag:
      case kEfiTag:
      case kEfi32EntryTag:
      case kEfi64EntryTag:
      case kRelocatableTag:
        break;  // Given anyway, or for firmware that there is not.
      default:
        if (!optional)
          return Error{"demands multiboot 2 feature " + std::to_string(type) +
                       ", which does not exist"};
        break;
    }
    at += align_up(size, 8);
  }
  return Error{"has a multiboot 2 header without an end"};
}

/// The list of tags that EBX leads to.
class Information {
 public:
  Information() : bytes_(8) {}

  void add(u32 type, const std::vector<u8>& body) {
    bytes_.resize(align_up(bytes_.size(), 8));
    const u64 at = bytes_.size();
    bytes_.resize(at + 8);
    put<u32>(bytes_, at, type);
    put<u32>(bytes_, at + 4, static_cast<u32>(8 + body.size()));
    bytes_.insert(bytes_.end(), body.begin(), body.end());
  }
  void add_text(u32 type, std::vector<u8> before, const std::string& text) {
    before.insert(before.end(), text.begin(), text.end());
    before.push_back(0);
    add(type, before);
  }
  std::vector<u8> finish() {
    add(kInfoEnd, {});
    put<u32>(bytes_, 0, static_cast<u32>(bytes_.size()));
    return std::move(bytes_);
  }

 private:
  std::vector<u8> bytes_;
};

std::vector<u8> words(std::initializer_list<u32> values) {
  std::vector<u8> bytes;
  for (const u32 value : values) {
    bytes.resize(bytes.size() + 4);
    put<u32>(bytes, bytes.size() - 4, value);
  }
  return bytes;
}

/// Loads the sections that no segment holds (symbols, debug information) behind the kernel, and
/// says where in the copied headers. An image without readable section headers has none.
template <class Section, class Address>
std::vector<u8> place_sections(const ElfImage& elf, const ByteView& image, const MemoryMap& memory,
                               u64& end, BootPlan& plan) {
  const auto table = image.slice(elf.section_offset, u64{elf.section_count} * sizeof(Section));
  std::vector<u8> headers(table.begin(), table.end());
  for (u64 at = 0; at + sizeof(Section) <= headers.size(); at += sizeof(Section)) {
    Section section;
    std::memcpy(&section, headers.data() + at, sizeof section);
    if (section.sh_addr != 0 || section.sh_size == 0 || section.sh_type == SHT_NOBITS) continue;
    const auto content = image.slice(section.sh_offset, section.sh_size);
    const u64 place = align_up(end, 16);
    if (content.empty() || !memory.is_usable(place, content.size())) continue;
    plan.pieces.push_back({PhysAddr(place), {content.begin(), content.end()}});
    section.sh_addr = static_cast<Address>(place);
    std::memcpy(headers.data() + at, &section, sizeof section);
    end = place + content.size();
  }
  return headers;
}

std::vector<u8> memory_map_body(const MemoryMap& memory) {
  std::vector<u8> body = words({24, 0});
  for (const MemoryRange& range : memory.ranges()) {
    const u64 at = body.size();
    body.resize(at + 24);
    put<u64>(body, at, range.first);
    put<u64>(body, at + 8, range.size);
    put<u32>(body, at + 16, static_cast<u32>(range.type));
  }
  return body;
}

}  // namespace

bool is_multiboot2(const std::vector<u8>& image) {
  return find_header(ByteView(image)).has_value();
}

Result<BootPlan, Error> plan_multiboot2(const KernelFiles& files, const BootContext& context) {
  const ByteView image(files.image);
  const auto header = find_header(image);
  if (!header) return Error{"has no multiboot 2 header"};
  DOPPEL_TRY(const Wishes wishes, read_header(image, *header));

  BootPlan plan;
  plan.kind = "multiboot2";
  plan.entry.mode = Entry::Mode::Protected32;
  Information info;
  u64 end = 0;
  if (wishes.address) {
    if (!wishes.entry) return Error{"has multiboot 2 addresses without an entry"};
    DOPPEL_TRY(Piece piece, raw_piece(files.image, *header, *wishes.address, context.memory));
    end = piece.end();
    plan.pieces.push_back(std::move(piece));
    plan.entry.ip = *wishes.entry;
  } else {
    DOPPEL_TRY(const ElfImage elf, parse_elf(files.image));
    DOPPEL_TRY(plan.pieces, elf_pieces(elf, files.image, context.memory));
    end = elf.physical_end();
    plan.entry.ip = wishes.entry.value_or(elf.physical_of(elf.entry).value_or(elf.entry));
    const std::vector<u8> headers =
        elf.is_64_bit
            ? place_sections<Elf64_Shdr, Elf64_Addr>(elf, image, context.memory, end, plan)
            : place_sections<Elf32_Shdr, Elf32_Addr>(elf, image, context.memory, end, plan);
    if (!headers.empty()) {
      const u32 header_bytes = elf.is_64_bit ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
      std::vector<u8> body = words({elf.section_count, header_bytes, elf.section_names});
      body.insert(body.end(), headers.begin(), headers.end());
      info.add(kInfoElfSections, body);
    }
  }
  DOPPEL_TRY(const std::vector<PlacedModule> modules, place_modules(files, context, end, plan));

  info.add_text(kInfoCommandLine, {}, files.append);
  info.add_text(kInfoLoaderName, {}, "doppel");
  for (size_t i = 0; i < modules.size(); ++i) {
    info.add_text(kInfoModule,
                  words({static_cast<u32>(modules[i].start), static_cast<u32>(modules[i].end)}),
                  files.modules[i].arguments);
  }
  info.add(kInfoMemory, words({context.memory.lower_kib(), context.memory.upper_kib()}));
  info.add(kInfoMemoryMap, memory_map_body(context.memory));
  if (context.rsdp.size() == 36) {
    const bool is_new = context.rsdp[15] >= 2;
    info.add(is_new ? kInfoNewRsdp : kInfoOldRsdp,
             {context.rsdp.begin(), context.rsdp.begin() + (is_new ? 36 : 20)});
  }
  std::vector<u8> bytes = info.finish();
  if (bytes.size() > kMultibootInfoEnd - kMultibootInfo)
    return Error{"its command lines and sections are too long"};
  plan.pieces.push_back({PhysAddr(kMultibootInfo), std::move(bytes)});
  plan.pieces.push_back(gdt_piece(plan.entry.mode));
  plan.entry.rax = kBootMagic;
  plan.entry.rbx = kMultibootInfo;
  return plan;
}

}  // namespace doppel::frontend::loaders
