// What an exception, an interrupt and a system call cost, there and back: the handler does as
// little as it can and returns. `user` comes from privilege level 3, so that stack and privilege
// change.

#include <memory>
#include <string>

#include "benchmarks/micro/bench_machine.h"
#include "benchmarks/micro/results.h"
#include "cpu/arch/exception.h"

namespace doppel::bench {
namespace {

constexpr u32 kRounds = 10000;
constexpr u8 kEndVector = 0x41;

/// Steps over the instruction that faulted, which is `length` bytes long, and returns.
Code skipping_handler(u64 place, bool has_error_code, u8 length) {
  Code code(place);
  if (has_error_code) code.put({0x48, 0x83, 0xc4, 0x08});  // add rsp, 8
  code.put({0x48, 0x83, 0x04, 0x24, length});              // add qword [rsp], length
  return code.put({0x48, 0xcf});                           // iretq
}

/// These bytes `kRounds` times, with RSI at a hole in the address space, EBX and EDX 0.
void put_loop(Code& code, std::initializer_list<u8> bytes) {
  code.mov_rsi(BenchMachine::kHole).mov_ebp(kRounds).mov_ebx(0).mov_edx(0);
  const u64 again = code.here();
  code.put(bytes);
  code.loop_ebp(again);
}

Code in_kernel(u64 place, std::initializer_list<u8> bytes) {
  Code code(place);
  put_loop(code, bytes);
  return code.hlt();
}

/// SYSRET goes to privilege level 3; an interrupt whose handler halts comes back from there.
Code in_user(u64 place, std::initializer_list<u8> bytes) {
  constexpr u32 kEntryBytes = 5 + 6 + 3;
  Code code(place);
  code.mov_ecx(static_cast<u32>(place) + kEntryBytes);
  code.put({0x41, 0xbb}).put32(2);  // mov r11d, RFLAGS
  code.put({0x48, 0x0f, 0x07});     // sysretq
  put_loop(code, bytes);
  return code.put({0xcd, kEndVector});  // int kEndVector
}

class Bench {
 public:
  explicit Bench(Results& results)
      : results_(results), machine_(std::make_unique<BenchMachine>(results.engine())) {
    // LSTAR points at the first handler.
    machine_->write(next_handler().put({0x48, 0x0f, 0x07}));  // sysretq
    install(static_cast<u8>(Vector::PF), skipping_handler(handler_, true, 2));
    install(static_cast<u8>(Vector::UD), skipping_handler(handler_, false, 2));
    install(static_cast<u8>(Vector::GP), skipping_handler(handler_, true, 3));
    install(static_cast<u8>(Vector::DE), skipping_handler(handler_, false, 2));
    install(static_cast<u8>(Vector::BP), Code(handler_).put({0x48, 0xcf}));  // iretq
    install(BenchMachine::kInterruptVector, Code(handler_).put({0x48, 0xcf}));
    install(kEndVector, Code(handler_).hlt());
  }

  void kernel(const char* name, std::initializer_list<u8> bytes) {
    add(name, in_kernel(next_program(), bytes));
  }
  void user(const char* name, std::initializer_list<u8> bytes) {
    add(name, in_user(next_program(), bytes));
  }

 private:
  Code next_handler() {
    const Code code(handler_);
    handler_ += 0x100;
    return code;
  }
  u64 next_program() { return program_ += 0x1000; }
  void install(u8 vector, const Code& code) {
    machine_->write(code);
    machine_->set_vector(vector, code.origin());
    handler_ += 0x100;
  }
  void add(const char* name, const Code& code) {
    machine_->write(code);
    results_.add(std::string("events/") + name,
                 [&] { return machine_->run(code.origin()) / kRounds; });
  }

  Results& results_;
  std::unique_ptr<BenchMachine> machine_;
  u64 handler_ = BenchMachine::kHandler;
  u64 program_ = BenchMachine::kCode;
};

}  // namespace

void bench_events(Results& results) {
  if (!results.wants("events/")) return;
  Bench bench(results);
  bench.kernel("page_fault/ns_per_round_trip", {0x8b, 0x06});      // mov eax, [rsi]
  bench.kernel("invalid_opcode/ns_per_round_trip", {0x0f, 0x0b});  // ud2
  bench.kernel("general_protection/ns_per_round_trip",
               {0x0f, 0x00, 0xdb});                              // ltr bx: null selector
  bench.kernel("divide_error/ns_per_round_trip", {0xf7, 0xf2});  // div edx
  bench.kernel("int3/ns_per_round_trip", {0xcc});
  // The port raises the line; the interrupt comes before the instruction after OUT.
  bench.kernel("interrupt/ns_per_round_trip", {0xfb, 0xe6, BenchMachine::kInterruptPort});
  bench.user("user_page_fault/ns_per_round_trip", {0x8b, 0x06});
  bench.user("user_invalid_opcode/ns_per_round_trip", {0x0f, 0x0b});
  bench.user("syscall_sysret/ns_per_round_trip", {0x0f, 0x05});
}

}  // namespace doppel::bench
