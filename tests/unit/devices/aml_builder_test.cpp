#include "devices/aml_builder.h"

#include <doctest/doctest.h>

#include <string>

namespace doppel::devices {
namespace {

using Bytes = std::vector<u8>;

TEST_CASE("aml_builder: lengths take one to four bytes") {
  CHECK(AmlBuilder::encode_length(0x3f) == Bytes{0x3f});
  CHECK(AmlBuilder::encode_length(0x40) == Bytes{0x40, 0x04});
  CHECK(AmlBuilder::encode_length(0xfff) == Bytes{0x4f, 0xff});
  CHECK(AmlBuilder::encode_length(0x1000) == Bytes{0x80, 0x00, 0x01});
  CHECK(AmlBuilder::encode_length(0x12'3456) == Bytes{0xc6, 0x45, 0x23, 0x01});
}

TEST_CASE("aml_builder: a length counts itself, also where that makes it longer") {
  // A body of 62 bytes: 63 with a length of one byte fits; 63 bytes of body need two.
  for (size_t body : {62u, 63u, 64u, 4093u, 4094u}) {
    AmlBuilder aml;
    aml.if_true([&] {
      for (size_t i = 0; i < body; ++i) aml.integer(0);
    });
    const Bytes& code = aml.code();
    const size_t length_bytes = 1 + (code[1] >> 6);
    size_t length = length_bytes == 1 ? code[1] : code[1] & 0xfu;
    for (size_t i = 1; i < length_bytes; ++i) length |= size_t{code[1 + i]} << (8 * i - 4);
    CHECK(length == code.size() - 1);
    CHECK(code.size() == 1 + length_bytes + body);
  }
}

TEST_CASE("aml_builder: integers take their shortest form") {
  AmlBuilder aml;
  aml.integer(0);
  aml.integer(1);
  aml.integer(2);
  aml.integer(0x1234);
  aml.integer(0x12345678);
  aml.integer(0x1'0000'0000);
  CHECK(aml.code() == Bytes{0x00, 0x01, 0x0a, 0x02, 0x0b, 0x34, 0x12, 0x0c, 0x78, 0x56, 0x34,
                            0x12, 0x0e, 0,    0,    0,    0,    1,    0,    0,    0});
}

TEST_CASE("aml_builder: packs EISA ids") {
  AmlBuilder aml;
  aml.eisa_id("PNP0A03");
  CHECK(aml.code() == Bytes{0x0c, 0x41, 0xd0, 0x0a, 0x03});
}

TEST_CASE("aml_builder: writes paths of one, two and more names") {
  AmlBuilder aml;
  aml.reference("ABC");
  aml.reference("\\_SB.PCI0");
  aml.reference("\\_SB.PCI0.ISA");
  const std::string expected =
      std::string("ABC_") + "\\" + "\x2e" + "_SB_PCI0" + "\\" + "\x2f\x03" + "_SB_PCI0ISA_";
  CHECK(aml.code() == Bytes(expected.begin(), expected.end()));
}

TEST_CASE("aml_builder: resource templates end with an end tag") {
  CHECK(AmlResources().io(0x3f8, 8).isa_irq(4).finish() ==
        Bytes{0x47, 1, 0xf8, 0x03, 0xf8, 0x03, 1, 8, 0x22, 0x10, 0x00, 0x79, 0});
  CHECK(AmlResources().interrupt({10, 11}).finish() ==
        Bytes{0x89, 10, 0, 0x09, 2, 10, 0, 0, 0, 11, 0, 0, 0, 0x79, 0});
}

}  // namespace
}  // namespace doppel::devices
