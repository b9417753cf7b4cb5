#include "jit/verifier.h"

#include <initializer_list>
#include <vector>

#include <doctest/doctest.h>

#include "jit/reencode.h"
#include "tests/unit/jit/guest_encodings.h"

namespace doppel::jit {
namespace {

constexpr u64 kCache = 0x7000'0000;
constexpr u64 kBlock = kCache + 0x1000;
constexpr u64 kExit = kCache + 0x100;  // A stub.

VerifierRules make_rules() {
  VerifierRules rules;
  rules.code_begin = kCache;
  rules.code_end = kCache + 0x10'0000;
  rules.is_entry = [](u64 address) { return address == kExit; };
  rules.state_low = -12;
  rules.state_high = 0x4'0000;
  return rules;
}

/// `body` and the jump to the exit that ends every block.
std::vector<u8> block_of(std::span<const u8> body) {
  std::vector<u8> code(body.begin(), body.end());
  const u32 distance = static_cast<u32>(kExit - (kBlock + code.size() + 5));
  code.push_back(0xe9);
  for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<u8>(distance >> i * 8));
  return code;
}

std::vector<u8> block_of(std::initializer_list<u8> body) {
  return block_of(std::span(body.begin(), body.size()));
}

/// The complaint about `body`, or "" for none.
std::string complaint(std::initializer_list<u8> body,
                      std::initializer_list<MemorySite> sites = {}, u16 address_registers = 0) {
  const std::vector<MemorySite> places(sites);
  return verify_block(block_of(body), kBlock, places, make_rules(), address_registers).value_or("");
}

void passes(std::initializer_list<u8> body, std::initializer_list<MemorySite> sites = {}) {
  const std::string wrong = complaint(body, sites);
  INFO(wrong);
  CHECK(wrong.empty());
}

bool says(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("verifier: an address check and its access pass") {
  // clang-format off
  passes({
      0x4c, 0x8d, 0x73, 0x08,                          // lea  r14, [rbx + 8]
      0xc4, 0x42, 0x8a, 0xf5, 0x6f, 0x40,              // pext r13, r14, [r15 + 0x40]
      0x4b, 0x8b, 0x8c, 0xef, 0x00, 0x10, 0x00, 0x00,  // mov  rcx, [r15 + r13 * 8 + 0x1000]
      0x4f, 0x8b, 0xac, 0xef, 0x00, 0x20, 0x00, 0x00,  // mov  r13, [r15 + r13 * 8 + 0x2000]
      0x4f, 0x8d, 0x6c, 0x35, 0x00,                    // lea  r13, [r13 + r14]
      0xc4, 0x42, 0x83, 0xf7, 0xf6,                    // shrx r14, r14, r15
      0x4a, 0x8d, 0x0c, 0x31,                          // lea  rcx, [rcx + r14]
      0xe3, 0x00,                                      // jrcxz
      0x41, 0x89, 0x45, 0x04,                          // mov  [r13 + 4], eax
  }, {{42, true}});
  // clang-format on
}

TEST_CASE("verifier: the state is read and written, its tables are read") {
  passes({0x49, 0x89, 0x47, 0x14});                                // mov [r15 + 0x14], rax
  passes({0x49, 0x89, 0x47, 0xf4});                                // mov [r15 - 12], rax
  passes({0x4b, 0x8b, 0x0c, 0xef});                                // mov rcx, [r15 + r13 * 8]
  passes({0x49, 0x83, 0x6f, 0x40, 0x05, 0x0f, 0x88, 0, 0, 0, 0});  // sub qword [r15 + 0x40], 5; js
  CHECK(says(complaint({0x49, 0x89, 0x47, 0xf3}), "stores"));      // Below the state.
  CHECK(says(complaint({0x49, 0x89, 0x87, 0xfc, 0xff, 0x03, 0x00}), "stores"));  // Over its end.
  CHECK(says(complaint({0x4b, 0x89, 0x0c, 0xef}), "stores"));                    // Into a table.
  CHECK(says(complaint({0x4b, 0x8b, 0x0c, 0x6f}), "loads"));                     // Scaled by 2.
}

TEST_CASE("verifier: stores go to the state or to sites of stores") {
  const std::string wrong = complaint({0x41, 0x89, 0x45, 0x00});  // mov [r13], eax
  CHECK(says(wrong, "host offset 0x0, `mov [r13], eax`"));
  CHECK(says(wrong, "stores"));
  CHECK(says(complaint({0x41, 0x89, 0x45, 0x00}, {{0, false}}), "stores"));
  passes({0x41, 0x89, 0x45, 0x00}, {{0, true}});
  CHECK(says(complaint({0x89, 0x03}, {{0, true}}), "stores"));                    // mov [rbx], eax
  passes({0x43, 0x89, 0x44, 0x25, 0x00}, {{0, true}});                            // [r13 + r12]
  CHECK(says(complaint({0x43, 0x89, 0x04, 0x26}, {{0, true}}), "stores"));       // [r14 + r12]
  CHECK(says(complaint({0x41, 0x89, 0x85, 0, 0x10, 0, 0}, {{0, true}}), "stores"));  // [r13 + 4096]
  CHECK(says(complaint({0x89, 0x05, 0, 0, 0, 0}), "stores"));                        // [rip + 0]
  CHECK(says(complaint({0x41, 0xd9, 0x5d, 0x00}, {{0, false}}), "stores"));          // fstp
  CHECK(says(complaint({0x41, 0x0f, 0x29, 0x45, 0x00}, {{0, false}}), "stores"));    // movaps
  CHECK(says(complaint({0xf0, 0x41, 0x01, 0x45, 0x00}, {{0, false}}), "stores"));    // lock add
}

TEST_CASE("verifier: loads come from the state, the block or a site") {
  CHECK(says(complaint({0x8b, 0x03}), "loads"));              // mov eax, [rbx]
  CHECK(says(complaint({0x41, 0x8b, 0x45, 0x00}), "loads"));  // mov eax, [r13]
  passes({0x41, 0x8b, 0x45, 0x00}, {{0, false}});
  passes({0x8b, 0x05, 0xfa, 0xff, 0xff, 0xff});  // mov eax, [rip - 6]
  CHECK(says(complaint({0x8b, 0x05, 0xf9, 0xff, 0xff, 0xff}), "loads"));
  CHECK(says(complaint({0x8b, 0x04, 0x24}), "loads"));              // mov eax, [rsp]
  CHECK(says(complaint({0x8b, 0x04, 0x25, 0, 0, 0, 0}), "loads"));  // mov eax, [0]
}

TEST_CASE("verifier: a bit test with a register index is no access to one place") {
  CHECK(says(complaint({0x41, 0x0f, 0xab, 0x45, 0x00}, {{0, true}}), "bit string"));
  passes({0x41, 0x0f, 0xba, 0x6d, 0x00, 0x05}, {{0, true}});
  // MOVZX ECX, CL; BTS [R13], ECX stays near. The other registers of either may be anything.
  passes({0x0f, 0xb6, 0xc9, 0x41, 0x0f, 0xab, 0x4d, 0x00}, {{3, true}});
  CHECK(says(complaint({0x0f, 0xb6, 0xc9, 0x41, 0x0f, 0xab, 0x45, 0x00}, {{3, true}}), "bit string"));
  CHECK(says(complaint({0x0f, 0xb6, 0xc8, 0x41, 0x0f, 0xab, 0x4d, 0x00}, {{3, true}}), "bit string"));
  CHECK(says(complaint({0x0f, 0xb7, 0xc9, 0x41, 0x0f, 0xab, 0x4d, 0x00}, {{3, true}}), "bit string"));
  CHECK(says(complaint({0x0f, 0xb6, 0xc9, 0x90, 0x41, 0x0f, 0xab, 0x4d, 0x00}, {{4, true}}), "bit string"));
  CHECK(says(complaint({0xeb, 0x03, 0x0f, 0xb6, 0xc9, 0x41, 0x0f, 0xab, 0x4d, 0x00}, {{5, true}}), "bound of a bit string"));
}

TEST_CASE("verifier: a site names the beginning of an instruction") {
  CHECK(says(complaint({0x41, 0x89, 0x45, 0x00}, {{0, true}, {2, true}}), "memory site"));
  CHECK(says(complaint({0x90}, {{400, true}}), "memory site"));
}

TEST_CASE("verifier: RSP and R15 stay what they are") {
  CHECK(says(complaint({0x48, 0x83, 0xc4, 0x08}), "changes RSP"));        // add rsp, 8
  CHECK(says(complaint({0x40, 0xb4, 0x01}), "changes RSP"));              // mov spl, 1
  CHECK(says(complaint({0x48, 0x8d, 0x64, 0x24, 0xf8}), "changes RSP"));  // lea rsp, [rsp - 8]
  CHECK(says(complaint({0x48, 0x94}), "changes RSP"));                    // xchg rsp, rax
  CHECK(says(complaint({0x41, 0x89, 0xc7}), "changes R15"));              // mov r15d, eax
  CHECK(says(complaint({0x66, 0x41, 0x0f, 0x7e, 0xc7}), "changes R15"));  // movd r15d, xmm0
  CHECK(says(complaint({0x4c, 0x0f, 0x44, 0xf8}), "changes R15"));        // cmovz r15, rax
  passes({0x4c, 0x89, 0xf8});                                             // mov rax, r15
}

TEST_CASE("verifier: instructions without a rule are refused") {
  for (const std::initializer_list<u8> body : std::initializer_list<std::initializer_list<u8>>{
           {0x0f, 0x05},              // syscall
           {0xcd, 0x80},              // int 0x80
           {0xcc},                    // int3
           {0x0f, 0xa2},              // cpuid
           {0x0f, 0x31},              // rdtsc
           {0xf4},                    // hlt
           {0xfa},                    // cli
           {0xe4, 0x60},              // in al, 0x60
           {0x50},                    // push rax
           {0x5c},                    // pop rsp
           {0x9d},                    // popfq
           {0xfd},                    // std
           {0x0f, 0x01, 0xd0},        // xgetbv
           {0x0f, 0x0b},              // ud2
           {0xc9},                    // leave
           {0x0f, 0xc7, 0xf0},        // rdrand eax
           {0x66, 0x0f, 0xf7, 0xc1},  // maskmovdqu
           {0x0f, 0xae, 0x57, 0x10},  // ldmxcsr [rdi + 16]
       }) {
    CHECK(says(complaint(body), "not an instruction of translated code"));
  }
  CHECK(says(complaint({0xa5}), "implied memory"));                          // movsd
  CHECK(says(complaint({0x0f, 0x22, 0xc0}), "register that"));               // mov cr0, rax
  CHECK(says(complaint({0x8e, 0xd8}), "register that"));                     // mov ds, eax
  CHECK(says(complaint({0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1}), "encoding"));  // EVEX
}

TEST_CASE("verifier: segment and address size prefixes are refused") {
  CHECK(says(complaint({0x65, 0x49, 0x8b, 0x47, 0x14}), "prefix"));
  CHECK(says(complaint({0x3e, 0x49, 0x8b, 0x47, 0x14}), "prefix"));
  CHECK(says(complaint({0x67, 0x41, 0x8b, 0x47, 0x14}), "prefix"));
}

TEST_CASE("verifier: branches stay in the block or go to entries") {
  passes({0x74, 0x01, 0x90});  // jz over nop
  CHECK(says(complaint({0x74, 0x01, 0x89, 0xc0}), "middle"));
  CHECK(says(complaint({0x0f, 0x84, 0, 0x08, 0, 0}), "no entry"));  // A stranger in the cache.
  CHECK(says(complaint({0x0f, 0x84, 0, 0, 0, 0x40}), "out of the code cache"));
  CHECK(says(complaint({0xe9, 0, 0, 0, 0x80}), "out of the code cache"));
  CHECK(says(complaint({0x74, 0x05}), "no entry"));  // Just behind the block.
  passes({0xe8, 0xfb, 0xf0, 0xff, 0xff});            // call kExit
  passes({0xe8, 0, 0, 0, 0});                        // A call not linked yet.
  passes({0xc3});
  CHECK(says(complaint({0xc2, 0x08, 0x00}), "arguments"));  // ret 8
  CHECK(says(complaint({0xcb}), "CS"));                     // retf
}

TEST_CASE("verifier: indirect branches go through the state") {
  passes({0x43, 0xff, 0x64, 0xef, 0x00});                              // jmp [r15 + r13 * 8]
  passes({0x41, 0xff, 0x67, 0x40});                                    // jmp [r15 + 0x40]
  passes({0x41, 0xff, 0x57, 0x40});                                    // call [r15 + 0x40]
  passes({0x43, 0xff, 0x54, 0xef, 0x00});                              // call [r15 + r13 * 8]
  CHECK(says(complaint({0x41, 0xff, 0x65, 0x00}), "indirect"));        // jmp [r13]
  CHECK(says(complaint({0x41, 0xff, 0x65, 0x00}, {{0, false}}), "indirect"));
  CHECK(says(complaint({0xff, 0xe0}), "register"));        // jmp rax
  CHECK(says(complaint({0xff, 0xd1}), "register"));        // call rcx
  CHECK(says(complaint({0x41, 0xff, 0x6f, 0x40}), "CS"));  // jmp far
}

TEST_CASE("verifier: a block is whole instructions, in the cache, and ends with a jump") {
  const std::vector<u8> nop = {0x90};
  CHECK(says(verify_block(nop, kBlock, {}, make_rules()).value_or(""), "runs over the end"));
  std::vector<u8> cut = block_of({});
  cut.pop_back();
  CHECK(says(verify_block(cut, kBlock, {}, make_rules()).value_or(""), "no instruction that fits"));
  CHECK(says(verify_block(block_of({}), kCache - 1, {}, make_rules()).value_or(""), "code cache"));
  CHECK(says(verify_block(block_of({}), make_rules().code_end - 2, {}, make_rules()).value_or(""),
             "code cache"));
}

TEST_CASE("verifier: every identical instruction passes with its access at a site") {
  Random random(5);
  Substitution with = identity();
  with.memory = {.base = 13, .displacement = 8};
  // No guest register may be what the translator keeps for itself.
  with.registers[RSP] = 12;
  with.registers[R15] = 11;
  for (const differential::Form& form : identical_forms()) {
    std::string wrong;
    for (unsigned round = 0; round < 4; ++round) {
      cpu::Instruction insn;
      if (!decode_identical(form.size, make_guest_bytes(form, random), insn)) continue;
      u8 out[kMaxHostInstruction];
      const size_t size = reencode(insn, with, out);
      if (size == 0) continue;
      const MemorySite site{0, (insn.memory_access & cpu::memory_access::kWrite) != 0};
      const std::vector<u8> code = block_of(std::span<const u8>(out, size));
      wrong = verify_block(code, kBlock, {&site, 1}, make_rules()).value_or("");
      if (!wrong.empty()) break;
    }
    CHECK_MESSAGE(wrong.empty(), form.text << ": " << wrong);
  }
}

TEST_CASE("verifier: a register that holds an address gets it from R13 and from nowhere else") {
  constexpr u16 kRbx = 1 << 3;
  const std::initializer_list<u8> move_and_load = {0x4c, 0x89, 0xeb, 0x48, 0x8b, 0x43, 0x08};  // mov rbx, r13; mov rax, [rbx + 8]
  CHECK(complaint(move_and_load, {{3, false}}, kRbx).empty());
  CHECK(says(complaint(move_and_load, {{3, false}}), "loads neither"));
  CHECK(says(complaint(move_and_load, {}, kRbx), "loads neither"));
  CHECK(complaint({0x49, 0x8b, 0x5f, 0x10}, {}, kRbx).empty());                          // mov rbx, [r15 + 16]
  CHECK(says(complaint({0x48, 0x89, 0xc3}, {}, kRbx), "holds an address"));              // mov rbx, rax
  CHECK(says(complaint({0x48, 0x83, 0xc3, 0x08}, {}, kRbx), "holds an address"));        // add rbx, 8
  CHECK(says(complaint({0x48, 0x8b, 0x83, 0, 0x10, 0, 0}, {{0, false}}, kRbx), "loads")); // mov rax, [rbx + 4096]
}

}  // namespace
}  // namespace doppel::jit
