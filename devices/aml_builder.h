#pragma once

// Writes ACPI machine language, term by term, in the order in which they stand in the table.
//
// A term that contains others carries its length in front, in one to four bytes. The builder writes
// the body first and inserts the length when it knows it, so a body is simply a lambda:
//
//     aml.device("COM1", [&] {
//       aml.name("_HID");
//       aml.eisa_id("PNP0501");
//     });

#include <initializer_list>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "cpu/base/types.h"

namespace doppel::devices {

/// @source  ACPI Specification, "ACPI Machine Language (AML) Specification", "AML Grammar
/// Definition"
class AmlBuilder {
 public:
  const std::vector<u8>& code() const { return code_; }

  // Containers.
  template <class Body>
  void scope(std::string_view path, Body&& body) {
    byte(0x10);
    enclosed([&] { path_string(path), body(); });
  }
  template <class Body>
  void device(std::string_view path, Body&& body) {
    extended(0x82);
    enclosed([&] { path_string(path), body(); });
  }
  template <class Body>
  void method(std::string_view path, unsigned arguments, Body&& body) {
    byte(0x14);
    enclosed([&] {
      path_string(path);
      byte(static_cast<u8>((arguments & 7) | kSerialized));
      body();
    });
  }
  /// `count` elements follow in the body, 255 at most.
  template <class Body>
  void package(u8 count, Body&& body) {
    byte(0x12);
    enclosed([&] { byte(count), body(); });
  }
  /// The body is the condition, then what happens.
  template <class Body>
  void if_true(Body&& body) {
    byte(0xa0);
    enclosed(std::forward<Body>(body));
  }
  void processor(std::string_view path, u8 id);

  // Declarations. The value of a name follows it.
  void name(std::string_view path);
  void operation_region(std::string_view path, u8 space, u64 offset, u64 length);
  /// Byte-wide fields of a region, one after another.
  void byte_fields(std::string_view region, std::initializer_list<std::string_view> names);
  /// `buffer` is a path or an argument, as written by `buffer_term`.
  template <class Term>
  void create_dword_field(Term&& buffer_term, u64 byte_index, std::string_view field) {
    byte(0x8a);
    buffer_term();
    integer(byte_index);
    path_string(field);
  }

  // Values.
  void integer(u64 value);
  void string(std::string_view text);
  /// "PNP0A03" in its packed form.
  void eisa_id(std::string_view id);
  void buffer(std::span<const u8> bytes);
  void reference(std::string_view path) { path_string(path); }
  void argument(unsigned index) { byte(static_cast<u8>(0x68 + index)); }

  // Operations: the terms that follow are their operands, then the target.
  void store() { byte(0x70); }
  void bit_and() { byte(0x7b); }
  void bit_or() { byte(0x7d); }
  void return_value() { byte(0xa4); }
  void no_target() { byte(0x00); }

  /// The encoding of a length, without the bytes of the length itself.
  static std::vector<u8> encode_length(u32 value);

 private:
  static constexpr unsigned kSerialized = 8;

  template <class Body>
  void enclosed(Body&& body) {
    const size_t start = code_.size();
    body();
    insert_length(start);
  }
  void insert_length(size_t start);
  void byte(u8 value) { code_.push_back(value); }
  void extended(u8 opcode) {
    byte(0x5b);
    byte(opcode);
  }
  void little_endian(u64 value, unsigned size_bytes);
  void path_string(std::string_view path);
  void segment(std::string_view name);

  std::vector<u8> code_;
};

/// A resource template: what _CRS and _PRS return.
/// @source  ACPI Specification, "Resource Data Types for ACPI"
class AmlResources {
 public:
  /// Offset of the interrupt number in the descriptor that interrupt() writes first.
  static constexpr unsigned kInterruptNumber = 5;

  AmlResources& io(u16 first, u8 length);
  /// An ISA interrupt: edge, active high, not shared.
  AmlResources& isa_irq(unsigned irq);
  /// A channel of the ISA bus's DMA controller: 8 bits, compatible timing.
  AmlResources& isa_dma(unsigned channel);
  /// Level, active high, shared; any one of `irqs`.
  AmlResources& interrupt(std::initializer_list<u32> irqs);
  AmlResources& memory(u32 first, u32 length);
  // Windows of a bridge, last address included.
  AmlResources& bus_window(u16 first, u16 last);
  AmlResources& io_window(u16 first, u16 last);
  AmlResources& memory_window(u32 first, u32 last, bool cacheable);

  /// With its end tag.
  std::vector<u8> finish() const;

 private:
  void word_window(u8 type, u8 type_flags, u16 first, u16 last);
  void append(u64 value, unsigned size_bytes);

  std::vector<u8> bytes_;
};

}  // namespace doppel::devices
