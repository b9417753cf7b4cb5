#include "frontend/listing.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "frontend/file.h"
#include "frontend/trace_log.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

/// Two guest instructions, and host code with a beginning that belongs to neither.
struct Sample {
  Sample() : decoder(cpu::CpuModel::parse("max").take()) {
    const u8 bytes[2][3] = {{0x01, 0xd8, 0x00}, {0x8b, 0x41, 0x04}};
    for (unsigned i = 0; i < 2; ++i) {
      REQUIRE(decoder.decode(cpu::CodeSize::Bits32, false, bytes[i], 3, guest[i]) ==
              cpu::Decoder::Status::Ok);
    }
    listing.guest_rip = 0x1000;
    listing.physical = 0x201000;
    listing.code_size = cpu::CodeSize::Bits32;
    listing.guest = guest;
    listing.host = host;
    listing.host_address = 0x7f0000000000;
    listing.host_offsets = offsets;
  }
  cpu::Decoder decoder;
  cpu::Instruction guest[2];
  // sub dword [r15], 2; add eax, ebx; mov eax, [rcx+r13+4]; ret
  const u8 host[13] = {0x41, 0x83, 0x2f, 0x02, 0x01, 0xd8, 0x42, 0x8b, 0x44, 0x29, 0x04, 0xc3, 0x90};
  const u32 offsets[2] = {4, 6};
  jit::Listing listing;
};

TEST_CASE("listing: guest and host code stand side by side") {
  const Sample sample;
  const std::string text = side_by_side(sample.listing, sample.decoder);
  CHECK(text.find("block 0x0000000000001000, physical 0x201000, 32-bit, 2 instructions") == 0);
  CHECK(text.find("0x00001000:  01 d8 ") != std::string::npos);
  CHECK(text.find("add eax, ebx") != text.rfind("add eax, ebx"));
  const size_t prologue = text.find("| sub");
  const size_t first = text.find("0x00001000:");
  const size_t second = text.find("0x00001002:");
  const size_t ret = text.find("| ret");
  REQUIRE(ret != std::string::npos);
  CHECK(prologue < first);
  CHECK(first < second);
  CHECK(second < ret);
}

TEST_CASE("listing: out_asm names the guest address before the host code of each instruction") {
  const Sample sample;
  const std::string text = out_asm(sample.listing, sample.decoder);
  CHECK(text.find("OUT: [size=13]\n") == 0);
  CHECK(text.find("  -- guest addr 0x0000000000001000 + tb prologue\n0x7f0000000000:  41 83 2f 02") !=
        std::string::npos);
  CHECK(text.find("  -- guest addr 0x0000000000001002  mov eax, [ecx+0x04]\n0x7f0000000006:") !=
        std::string::npos);
}

TEST_CASE("listing: offsets that make no sense are not followed") {
  Sample sample;
  const u32 wild[] = {900, 2};
  sample.listing.host_offsets = wild;
  CHECK(side_by_side(sample.listing, sample.decoder).find("0x00001002") != std::string::npos);
  sample.listing.host_offsets = {};
  CHECK(out_asm(sample.listing, sample.decoder).find("guest addr 0x0000000000001002") !=
        std::string::npos);
}

TEST_CASE("listing: info jit says when nothing is translated") {
  SmallMachine machine({0xf4}, nullptr,
                       [](MachineConfig& config) { config.engine = EngineKind::Interpreter; });
  CHECK(machine->engine_name() == "interp");
  CHECK(jit_text(machine->engine(), machine->config().jit).find("nothing is translated") !=
        std::string::npos);
}

TEST_CASE("listing: a translated loop can be dumped, logged and counted") {
  if (!jit::translator_supported().ok()) return;
  const std::string path = "/tmp/doppel_test_" + std::to_string(::getpid()) + "_out_asm";
  SmallMachine machine({0x66, 0x40, 0xeb, 0xfc}, nullptr, [](MachineConfig& config) {  // inc eax; jmp
    config.engine = EngineKind::Translator;
    config.jit.cache_bytes = u64{4} << 20;
  });
  CHECK(machine->engine_name() == "jit");
  {
    const auto log = TraceLog::create({"out_asm"}, path, "0x7c00+1");
    REQUIRE(log.ok());
    log.value()->attach(*machine);
    RunConfig config;
    config.timeout_virtual_ns = 100'000;
    CHECK(machine.run(std::move(config)).kind == RunOutcome::Kind::VirtualTimeout);
    watch_translations(machine->engine(), {});
  }
  const std::vector<u8> bytes = read_file(path).take();
  const std::string text(bytes.begin(), bytes.end());
  CHECK(text.find("OUT: [size=") == 0);
  CHECK(text.find("inc eax") != std::string::npos);
  ::unlink(path.c_str());

  std::string dump;
  const cpu::Decoder decoder(machine->cpu().model());
  visit_translations(machine->engine(), LinearAddr(0x7c02), [&](const jit::Listing& listing) {
    dump += side_by_side(listing, decoder);
  });
  CHECK(dump.find("0x00007c00:") != std::string::npos);
  CHECK(translator_statistics(machine->engine())->blocks > 0);
  CHECK(jit_text(machine->engine(), machine->config().jit).find("expansion ratio") !=
        std::string::npos);
}

}  // namespace
}  // namespace doppel::frontend
