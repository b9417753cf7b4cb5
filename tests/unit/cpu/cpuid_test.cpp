#include "cpu/cpuid.h"

#include <string>

#include <doctest/doctest.h>

#include "tests/support/test_cpu.h"

namespace doppel::cpu {
namespace {

using test::faulted;
using test::TestCpu;

struct Answer {
  u32 reg[4];
};
Answer ask(const Cpu& cpu, u32 leaf, u32 subleaf = 0) {
  Answer answer;
  cpuid(cpu, leaf, subleaf, answer.reg);
  return answer;
}
CpuModel model(std::string_view text) {
  Result<CpuModel, Error> result = CpuModel::parse(text);
  REQUIRE(result.ok());
  return result.take();
}

TEST_CASE("cpuid: names the vendor in EBX, EDX, ECX and the last leaf in EAX") {
  TestCpu t;
  const Answer a = ask(t.cpu, 0);
  CHECK(a.reg[0] == 0x16);
  CHECK(std::string(reinterpret_cast<const char*>(&a.reg[1]), 4) == "Genu");
  CHECK(std::string(reinterpret_cast<const char*>(&a.reg[3]), 4) == "ineI");
  CHECK(std::string(reinterpret_cast<const char*>(&a.reg[2]), 4) == "ntel");
}

TEST_CASE("cpuid: OSXSAVE and OSPKE show what CR4 says") {
  TestCpu t;
  CHECK((ask(t.cpu, 1).reg[2] >> 27 & 1) == 0);
  CHECK((ask(t.cpu, 7).reg[2] >> 4 & 1) == 0);
  t.state().cr4 |= cr4::OSXSAVE | cr4::PKE;
  CHECK((ask(t.cpu, 1).reg[2] >> 27 & 1) == 1);
  CHECK((ask(t.cpu, 7).reg[2] >> 4 & 1) == 1);
  CHECK((ask(t.cpu, 7, 1).reg[2] >> 4 & 1) == 0);
}

TEST_CASE("cpuid: the XSAVE area grows with XCR0 up to what the model offers") {
  TestCpu t;
  CHECK(ask(t.cpu, 0xd).reg[1] == 576);
  CHECK(ask(t.cpu, 0xd).reg[2] == 2696);
  t.state().xcr0 = 7;
  CHECK(ask(t.cpu, 0xd).reg[1] == 832);
  CHECK(ask(t.cpu, 0xd, 2).reg[1] == 576);
  TestCpu v3("x86-64-v3");
  CHECK(ask(v3.cpu, 0xd).reg[0] == 7);
  CHECK(ask(v3.cpu, 0xd).reg[2] == 832);
}

TEST_CASE("cpuid: tells the counter's rate, so that nobody calibrates") {
  TestCpu t;
  const Answer a = ask(t.cpu, 0x15);
  CHECK(a.reg[0] == 1);
  CHECK(a.reg[1] == 1);
  CHECK(a.reg[2] == 1'000'000'000);
}

TEST_CASE("cpuid: SYSCALL shows in 64-bit code only") {
  TestCpu t;
  t.enter_protected();
  CHECK((ask(t.cpu, 0x8000'0001).reg[3] >> 11 & 1) == 0);
  t.enter_long();
  CHECK((ask(t.cpu, 0x8000'0001).reg[3] >> 11 & 1) == 1);
}

TEST_CASE("cpuid: the hypervisor leaves exist with the feature alone") {
  TestCpu t;
  CHECK(ask(t.cpu, 0x4000'0000).reg[0] == 0x4000'0010);
  TestCpu bare("max,-hypervisor");
  CHECK(ask(bare.cpu, 0x4000'0000).reg[0] == ask(bare.cpu, 0x16).reg[0]);  // As any leaf beyond the last.
  CHECK((ask(bare.cpu, 1).reg[2] >> 31) == 0);
}

TEST_CASE("cpuid: widths of addresses follow the model") {
  CHECK(physical_bits(model("486")) == 32);
  CHECK(physical_bits(model("pentium3")) == 36);
  TestCpu t;
  CHECK(ask(t.cpu, 0x8000'0008).reg[0] == (48u << 8 | kMaxPhysBits));
  TestCpu wide("max,+la57");
  CHECK(ask(wide.cpu, 0x8000'0008).reg[0] == (57u << 8 | kMaxPhysBits));
}

TEST_CASE("cpuid: as an instruction, clears the upper halves") {
  TestCpu t;
  t.enter_long();
  t.state().gpr[RAX] = 0xffff'ffff'0000'0000;
  t.state().gpr[RBX] = ~u64{0};
  t.step({0x0f, 0xa2});
  CHECK(t.state().gpr[RBX] == 0x756e'6547);
  CHECK(t.state().gpr[RAX] == 0x16);
}

TEST_CASE("cpu_model: adding a feature adds what it needs, removing one removes what needed it") {
  const CpuModel added = model("pentium3,+sse4_2");
  CHECK(added.has(Feature::ssse3));
  CHECK(added.has(Feature::sse2));
  const CpuModel removed = model("max,-xsave");
  CHECK_FALSE(removed.has(Feature::avx));
  CHECK_FALSE(removed.has(Feature::avx2));
  CHECK_FALSE(removed.has(Feature::pku));
  CHECK(removed.has(Feature::sse4_2));
  CHECK(model("x86-64-v1,sse4.1=on").has(Feature::sse4_1));
  CHECK_FALSE(model("max,lm=off").has(Feature::pcid));
}

TEST_CASE("cpu_model: every model has what it needs, in itself") {
  for (const std::string& name : CpuModel::names()) {
    const CpuModel whole = model(name);
    for (const std::string& feature : CpuModel::feature_names()) {
      // Adding a feature that is there already must not add others.
      const CpuModel again = model(name + ",-" + feature);
      for (size_t i = 0; i < static_cast<size_t>(Feature::kCount); ++i) {
        if (again.has(static_cast<Feature>(i))) CHECK(whole.has(static_cast<Feature>(i)));
      }
    }
  }
  CHECK_FALSE(model("x86-64-v1").has(Feature::sse3));
  CHECK(model("x86-64-v2").has(Feature::sse4_2));
  CHECK_FALSE(model("x86-64-v2").has(Feature::avx));
  CHECK(model("x86-64-v3").has(Feature::avx2));
  CHECK_FALSE(model("pentium").has(Feature::cmov));
}

TEST_CASE("cpu_model: CPUID reaches to the leaf of every feature") {
  CHECK(model("pentium3").max_leaf == 2);
  CHECK(model("pentium3,+erms").max_leaf == 7);
  CHECK(model("x86-64-v1,+xsavec").max_leaf == 0xd);
}

TEST_CASE("cpu_model: names what it does not know") {
  const auto unknown_model = CpuModel::parse("pentium9");
  REQUIRE_FALSE(unknown_model.ok());
  CHECK(unknown_model.error().message.find("pentium9") != std::string::npos);
  const auto unknown_feature = CpuModel::parse("max,+warp");
  REQUIRE_FALSE(unknown_feature.ok());
  CHECK(unknown_feature.error().message.find("warp") != std::string::npos);
}

}  // namespace
}  // namespace doppel::cpu
