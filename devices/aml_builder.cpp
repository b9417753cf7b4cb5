#include "devices/aml_builder.h"

namespace doppel::devices {

namespace {

// Resource types of address windows.
constexpr u8 kMemoryWindow = 0;
constexpr u8 kIoWindow = 1;
constexpr u8 kBusWindow = 2;
/// Bridge produces it; both ends are fixed.
constexpr u8 kFixedWindow = 0x0c;

u8 hex_digit(char c) { return static_cast<u8>(c <= '9' ? c - '0' : c - 'A' + 10); }

}  // namespace

// --- Encodings --------------------------------------------------------------------------------

std::vector<u8> AmlBuilder::encode_length(u32 value) {
  if (value < 0x40) return {static_cast<u8>(value)};
  std::vector<u8> bytes{static_cast<u8>(value & 0xf)};
  for (u32 rest = value >> 4; rest != 0; rest >>= 8) bytes.push_back(static_cast<u8>(rest));
  // The two upper bits say how many bytes follow.
  bytes[0] |= static_cast<u8>((bytes.size() - 1) << 6);
  return bytes;
}

void AmlBuilder::insert_length(size_t start) {
  const u32 body = static_cast<u32>(code_.size() - start);
  // The length counts itself: one byte more may need one byte more.
  u32 own = 1;
  while (encode_length(body + own).size() > own) ++own;
  const std::vector<u8> length = encode_length(body + own);
  code_.insert(code_.begin() + static_cast<std::ptrdiff_t>(start), length.begin(), length.end());
}

void AmlBuilder::little_endian(u64 value, unsigned size_bytes) {
  for (unsigned i = 0; i < size_bytes; ++i) byte(static_cast<u8>(value >> (8 * i)));
}

void AmlBuilder::segment(std::string_view name) {
  for (size_t i = 0; i < 4; ++i) byte(static_cast<u8>(i < name.size() ? name[i] : '_'));
}

void AmlBuilder::path_string(std::string_view path) {
  if (!path.empty() && path[0] == '\\') {
    byte('\\');
    path.remove_prefix(1);
  }
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    segments.push_back(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  if (segments.size() == 2) byte(0x2e);
  if (segments.size() > 2) {
    byte(0x2f);
    byte(static_cast<u8>(segments.size()));
  }
  for (std::string_view name : segments) segment(name);
}

// --- Terms ------------------------------------------------------------------------------------

void AmlBuilder::name(std::string_view path) {
  byte(0x08);
  path_string(path);
}

void AmlBuilder::integer(u64 value) {
  if (value <= 1) {
    byte(static_cast<u8>(value));
  } else if (value <= 0xff) {
    byte(0x0a);
    little_endian(value, 1);
  } else if (value <= 0xffff) {
    byte(0x0b);
    little_endian(value, 2);
  } else if (value <= 0xffff'ffff) {
    byte(0x0c);
    little_endian(value, 4);
  } else {
    byte(0x0e);
    little_endian(value, 8);
  }
}

void AmlBuilder::string(std::string_view text) {
  byte(0x0d);
  for (char c : text) byte(static_cast<u8>(c));
  byte(0);
}

void AmlBuilder::eisa_id(std::string_view id) {
  // Three letters of five bits, four hexadecimal digits; most significant byte first.
  u32 value = 0;
  for (size_t i = 0; i < 3; ++i) value = value << 5 | (static_cast<u32>(id[i]) & 0x1f);
  for (size_t i = 3; i < 7; ++i) value = value << 4 | hex_digit(id[i]);
  byte(0x0c);
  for (unsigned i = 0; i < 4; ++i) byte(static_cast<u8>(value >> (24 - 8 * i)));
}

void AmlBuilder::buffer(std::span<const u8> bytes) {
  byte(0x11);
  enclosed([&] {
    integer(bytes.size());
    code_.insert(code_.end(), bytes.begin(), bytes.end());
  });
}

void AmlBuilder::processor(std::string_view path, u8 id) {
  extended(0x83);
  enclosed([&] {
    path_string(path);
    byte(id);
    little_endian(0, 4);  // No control block.
    byte(0);
  });
}

void AmlBuilder::operation_region(std::string_view path, u8 space, u64 offset, u64 length) {
  extended(0x80);
  path_string(path);
  byte(space);
  integer(offset);
  integer(length);
}

void AmlBuilder::byte_fields(std::string_view region,
                             std::initializer_list<std::string_view> names) {
  extended(0x81);
  enclosed([&] {
    path_string(region);
    byte(0x01);  // Byte access, no lock, preserve.
    for (std::string_view field : names) {
      segment(field);
      byte(8);  // Bits.
    }
  });
}

// --- Resources --------------------------------------------------------------------------------

void AmlResources::append(u64 value, unsigned size_bytes) {
  for (unsigned i = 0; i < size_bytes; ++i) bytes_.push_back(static_cast<u8>(value >> (8 * i)));
}

AmlResources& AmlResources::io(u16 first, u8 length) {
  append(0x47, 1);
  append(1, 1);  // Decodes 16 bits.
  append(first, 2);
  append(first, 2);
  append(1, 1);
  append(length, 1);
  return *this;
}

AmlResources& AmlResources::isa_irq(unsigned irq) {
  append(0x22, 1);
  append(1u << irq, 2);
  return *this;
}

AmlResources& AmlResources::isa_dma(unsigned channel) {
  append(0x2a, 1);
  append(1u << channel, 1);
  append(0, 1);
  return *this;
}

AmlResources& AmlResources::interrupt(std::initializer_list<u32> irqs) {
  append(0x89, 1);
  append(2 + 4 * irqs.size(), 2);
  append(0x09, 1);  // Consumer, level, active high, shared.
  append(irqs.size(), 1);
  for (u32 irq : irqs) append(irq, 4);
  return *this;
}

AmlResources& AmlResources::memory(u32 first, u32 length) {
  append(0x86, 1);
  append(9, 2);
  append(1, 1);  // Writable.
  append(first, 4);
  append(length, 4);
  return *this;
}

void AmlResources::word_window(u8 type, u8 type_flags, u16 first, u16 last) {
  append(0x88, 1);
  append(13, 2);
  append(type, 1);
  append(kFixedWindow, 1);
  append(type_flags, 1);
  append(0, 2);
  append(first, 2);
  append(last, 2);
  append(0, 2);
  append(u32{last} - first + 1, 2);
}

AmlResources& AmlResources::bus_window(u16 first, u16 last) {
  word_window(kBusWindow, 0, first, last);
  return *this;
}

AmlResources& AmlResources::io_window(u16 first, u16 last) {
  word_window(kIoWindow, 3, first, last);  // ISA and non-ISA ports.
  return *this;
}

AmlResources& AmlResources::memory_window(u32 first, u32 last, bool cacheable) {
  append(0x87, 1);
  append(23, 2);
  append(kMemoryWindow, 1);
  append(kFixedWindow, 1);
  append(cacheable ? 3 : 1, 1);
  append(0, 4);
  append(first, 4);
  append(last, 4);
  append(0, 4);
  append(u64{last} - first + 1, 4);
  return *this;
}

std::vector<u8> AmlResources::finish() const {
  std::vector<u8> bytes = bytes_;
  bytes.push_back(0x79);
  bytes.push_back(0);  // Zero: no checksum is kept.
  return bytes;
}

}  // namespace doppel::devices
