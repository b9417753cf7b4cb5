#include "cpu/interpreter/x87_thunks.h"

#include <array>
#include <cstring>
#include <memory>
#include <mutex>

#include "cpu/interpreter/fpu_checks.h"
#include "cpu/interpreter/thunk_arena.h"
#include "cpu/interpreter/thunk_code.h"

namespace doppel::cpu {
namespace {

constexpr u8 kMemoryInRsi = 6;
/// Conditions that loads, stores and arithmetic define: C1, rounded up (or 0).
constexpr u16 kC1 = fsw::C1;
constexpr u16 kAll = fsw::kConditions;

/// An instruction as the table below describes it: shape, and the bytes that run in the short way.
struct Description {
  X87Shape shape = X87Shape::Exact;
  u8 opcode = 0;
  u8 modrm = 0;
  u8 pops = 0;
  u16 conditions = kC1;
  bool writes_flags = false;
};

constexpr u8 register_form(unsigned digit, unsigned i) {
  return static_cast<u8>(0xc0 | digit << 3 | i);
}
constexpr u8 memory_form(unsigned digit) { return static_cast<u8>(digit << 3 | kMemoryInRsi); }

/// D8 and its kin with memory: FADD FMUL FCOM FCOMP FSUB FSUBR FDIV FDIVR.
Description arithmetic_memory(u8 opcode, unsigned digit) {
  if (digit == 2 || digit == 3) {
    return {X87Shape::CompareMemory, opcode, memory_form(2), static_cast<u8>(digit - 2), kAll};
  }
  return {X87Shape::MemoryToTop, opcode, memory_form(digit)};
}

/// D9 and DB, DD, DF with memory: loads and stores. Control words and environments never get here.
Description move_memory(u8 opcode, unsigned digit) {
  const bool wide_integer = opcode == 0xdf && (digit == 5 || digit == 7);  // m64int
  const bool extended = opcode == 0xdb && (digit == 5 || digit == 7);      // m80
  if (wide_integer || extended) {
    if (digit == 5) return {X87Shape::Load, opcode, memory_form(5)};
    return {X87Shape::Store, opcode, memory_form(7)};
  }
  switch (digit) {
    case 0:
      return {X87Shape::Load, opcode, memory_form(0)};
    case 1:
      return {X87Shape::Store, opcode, memory_form(1)};  // FISTTP
    case 2:
    case 3:
      return {X87Shape::Store, opcode, memory_form(digit)};
    default:
      return {};
  }
}

/// D9 E0-FF: one byte says it all. What is not here (FPTAN, FSINCOS, FXTRACT) has two results.
Description unary(u8 modrm) {
  struct Row {
    u8 modrm;
    X87Shape shape;
    u16 conditions = kC1;
  };
  // clang-format off
  static constexpr Row kRows[] = {
      {0xe0, X87Shape::Top},                          // FCHS
      {0xe1, X87Shape::Top},                          // FABS
      {0xe4, X87Shape::Examine, kAll},                // FTST
      {0xe5, X87Shape::Examine, kAll},                // FXAM
      {0xe8, X87Shape::Load},                         // FLD1
      {0xe9, X87Shape::Load},                         // FLDL2T
      {0xea, X87Shape::Load},                         // FLDL2E
      {0xeb, X87Shape::Load},                         // FLDPI
      {0xec, X87Shape::Load},                         // FLDLG2
      {0xed, X87Shape::Load},                         // FLDLN2
      {0xee, X87Shape::Load},                         // FLDZ
      {0xf0, X87Shape::Top},                          // F2XM1
      {0xf1, X87Shape::TwoToOne},                     // FYL2X
      {0xf3, X87Shape::TwoToOne},                     // FPATAN
      {0xf5, X87Shape::StackToTop, kAll},             // FPREM1
      {0xf8, X87Shape::StackToTop, kAll},             // FPREM
      {0xf9, X87Shape::TwoToOne},                     // FYL2XP1
      {0xfa, X87Shape::Top},                          // FSQRT
      {0xfc, X87Shape::Top},                          // FRNDINT
      {0xfd, X87Shape::StackToTop},                   // FSCALE
      {0xfe, X87Shape::Top, fsw::C1 | fsw::C2},       // FSIN
      {0xff, X87Shape::Top, fsw::C1 | fsw::C2},       // FCOS
  };
  // clang-format on
  for (const Row& row : kRows) {
    if (row.modrm != modrm) continue;
    const u8 pops = row.shape == X87Shape::TwoToOne ? 1 : 0;
    return {row.shape, 0xd9, modrm, pops, row.conditions};
  }
  return {};
}

/// With registers. In the short way the other register is always ST(1).
Description with_register(u8 opcode, u8 modrm) {
  const unsigned digit = modrm >> 3 & 7;
  switch (opcode) {
    case 0xd8:
      if (digit == 2 || digit == 3) {
        return {X87Shape::CompareStack, 0xd8, register_form(2, 1), static_cast<u8>(digit - 2),
                kAll};
      }
      return {X87Shape::StackToTop, 0xd8, register_form(digit, 1)};
    case 0xd9:
      return unary(modrm);
    case 0xda:
      if (modrm == 0xe9)
        return {X87Shape::CompareStack, 0xdd, register_form(4, 1), 2, kAll};  // FUCOMPP
      return {};
    case 0xdb:
      if (digit == 5 || digit == 6) {  // FUCOMI, FCOMI
        return {X87Shape::CompareStack, 0xdb, register_form(digit, 1), 0, kC1, true};
      }
      return {};
    case 0xdc:
      if (digit == 2 || digit == 3) {
        return {X87Shape::CompareStack, 0xd8, register_form(2, 1), static_cast<u8>(digit - 2),
                kAll};
      }
      return {X87Shape::TopToStack, 0xdc, register_form(digit, 1)};
    case 0xdd:
      if (digit == 4 || digit == 5) {
        return {X87Shape::CompareStack, 0xdd, register_form(4, 1), static_cast<u8>(digit - 4),
                kAll};
      }
      return {};
    case 0xde:
      if (digit == 2) return {X87Shape::CompareStack, 0xd8, register_form(2, 1), 1, kAll};
      if (modrm == 0xd9)
        return {X87Shape::CompareStack, 0xd8, register_form(2, 1), 2, kAll};  // FCOMPP
      if (digit == 3) return {};
      return {X87Shape::TopToStack, 0xdc, register_form(digit, 1), 1};
    case 0xdf:
      if (digit == 5 || digit == 6) {  // FUCOMIP, FCOMIP
        return {X87Shape::CompareStack, 0xdb, register_form(digit, 1), 1, kC1, true};
      }
      return {};
    default:
      return {};
  }
}

Description describe(u8 opcode, u8 modrm) {
  if (modrm >= 0xc0) return with_register(opcode, modrm);
  const unsigned digit = modrm >> 3 & 7;
  return (opcode & 1) == 0 ? arithmetic_memory(opcode, digit) : move_memory(opcode, digit);
}

u8 memory_bytes(u8 opcode, unsigned digit) {
  switch (opcode) {
    case 0xd8:
    case 0xda:
      return 4;
    case 0xdc:
      return 8;
    case 0xde:
      return 2;
    case 0xd9:
      return 4;
    case 0xdb:
      return digit >= 5 ? 10 : 4;
    case 0xdd:
      return 8;
    default:
      return digit == 4 || digit == 6 ? 10 : digit >= 5 ? 8 : 2;
  }
}

bool writes_memory(u8 opcode, unsigned digit) {
  if ((opcode & 1) == 0) return false;
  return digit == 1 || digit == 2 || digit == 3 || digit == 6 || digit == 7;
}

void load_st(ThunkCode& code, unsigned slot) {
  code.put({0xdb, static_cast<u8>(0x28 | ThunkCode::kAddress[slot])});
}
void store_st(ThunkCode& code, unsigned slot) {
  code.put({0xdb, static_cast<u8>(0x38 | ThunkCode::kAddress[slot])});
}
void drop(ThunkCode& code) { code.put({0xdd, 0xd8}); }

/// Operands: slot 0 is ST(0), slot 1 the other register or memory.
void load_operands(ThunkCode& code, X87Shape shape) {
  switch (shape) {
    case X87Shape::StackToTop:
    case X87Shape::TopToStack:
    case X87Shape::TwoToOne:
    case X87Shape::CompareStack:
      load_st(code, 1);
      load_st(code, 0);
      break;
    case X87Shape::Load:
    case X87Shape::Exact:
      break;
    default:
      load_st(code, 0);
      break;
  }
}

/// Stores what was written and leaves the host's stack empty.
void store_results(ThunkCode& code, const Description& what) {
  switch (what.shape) {
    case X87Shape::StackToTop:
      store_st(code, 0);
      drop(code);
      break;
    case X87Shape::TopToStack:
      drop(code);
      store_st(code, 1);
      break;
    case X87Shape::TwoToOne:
      store_st(code, 1);
      break;
    case X87Shape::MemoryToTop:
    case X87Shape::Top:
    case X87Shape::Load:
      store_st(code, 0);
      break;
    case X87Shape::Store: {
      // FST and FIST leave the value; the others pop it themselves.
      const bool pops = (what.modrm >> 3) != 2;
      if (!pops) drop(code);
      break;
    }
    case X87Shape::CompareStack:
      drop(code);
      drop(code);
      break;
    case X87Shape::CompareMemory:
    case X87Shape::Examine:
      drop(code);
      break;
    case X87Shape::Exact:
      break;
  }
}

const void* build_short(const Description& what) {
  ThunkCode code;
  code.put({0xdf, 0xe0});        // fnstsw ax
  code.put({0x84, 0xc8});        // test   al, cl
  code.put({0x74, 0x02});        // jz     +2
  code.put({0xdb, 0xe2});        // fnclex
  code.put({0x41, 0xd9, 0x28});  // fldcw  [r8]
  load_operands(code, what.shape);
  code.put({what.opcode, what.modrm});
  code.put({0xdf, 0xe0});  // fnstsw ax
  if (what.writes_flags) code.flags_to_r10();
  store_results(code, what);
  code.put({0x41, 0xd9, 0x68, 0x02});  // fldcw  [r8 + 2]
  code.put({0x0f, 0xb7, 0xc0});        // movzx  eax, ax
  if (what.writes_flags) {
    code.put({0x41, 0xc1, 0xe2, 0x10});  // shl  r10d, 16
    code.put({0x44, 0x09, 0xd0});        // or   eax, r10d
  }
  code.put({0xc3});
  return ThunkArena::shared().append(code.bytes());
}

const void* build_exact(u8 opcode, u8 modrm) {
  if (modrm < 0xc0) modrm = memory_form(modrm >> 3 & 7);
  ThunkCode code;
  code.put({0x48, 0x0f, 0xae, 0x0f});  // fxrstor64 [rdi]
  code.put({0x52, 0x9d});              // push rdx; popfq
  code.put({opcode, modrm});
  code.flags_to_r10();
  code.put(
      {0x48, 0x0f, 0xae, 0x07});  // fxsave64 [rdi]: does not wait, so a pending error stays quiet
  code.put({0xdb, 0xe3});         // fninit
  code.return_r10();
  return ThunkArena::shared().append(code.bytes());
}

/// FCOMI and its kin, and FCMOVcc: manuals and processors differ about C1. Asks the host, which is
/// what translated code does too.
bool keeps_c1(const X87Form& form) {
  struct alignas(64) {
    X87State unit;
    u8 rest[512 - sizeof(X87State)] = {};
  } image;
  constexpr u8 kOne[10] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f};
  image.unit.fcw = 0x37f;
  image.unit.fsw = fsw::C1;
  image.unit.ftw = 0xff;
  for (auto& st : image.unit.st) std::memcpy(st, kOne, sizeof kOne);
  form.run_exact(&image, nullptr, rflags::FIXED);
  return (image.unit.fsw & fsw::C1) != 0;
}

/// All forms: eight opcodes with eight memory and 64 register forms each.
class FormTable {
 public:
  static FormTable& shared() {
    static FormTable table;
    return table;
  }

  const X87Form* find(u8 opcode, u8 modrm) {
    const std::lock_guard lock(mutex_);
    const size_t column = modrm < 0xc0 ? modrm >> 3 & 7 : modrm - 0xc0 + 8;
    std::unique_ptr<X87Form>& form = forms_[(opcode & 7) * size_t{72} + column];
    if (form == nullptr) form = build(opcode, modrm);
    return form.get();
  }

 private:
  template <class Function>
  static Function as_function(const void* code) {
    return reinterpret_cast<Function>(reinterpret_cast<u64>(code));
  }

  static std::unique_ptr<X87Form> build(u8 opcode, u8 modrm) {
    auto form = std::make_unique<X87Form>();
    const Description what = describe(opcode, modrm);
    form->run_exact = as_function<X87Form::Exact>(build_exact(opcode, modrm));
    if (form->run_exact == nullptr) return nullptr;
    if (what.shape != X87Shape::Exact) {
      form->run_short = as_function<X87Form::Short>(build_short(what));
      if (form->run_short == nullptr) return nullptr;
    }
    form->shape = what.shape;
    form->pops = what.pops;
    form->conditions = what.conditions;
    form->writes_flags = what.writes_flags;
    // FPREM of what is no number defines only some of the conditions.
    form->exact_if_nan = what.shape == X87Shape::StackToTop && what.conditions == kAll;
    if (modrm < 0xc0) {
      const unsigned digit = modrm >> 3 & 7;
      form->memory_bytes = memory_bytes(opcode, digit);
      form->writes_memory = writes_memory(opcode, digit);
      const bool keeps = digit == 2;
      if (what.shape == X87Shape::Store) form->pops = keeps ? 0 : 1;
    } else {
      // D9 E0-FF, DA E9 and DE D9 have no operand field: their other register is ST(1).
      const bool implied =
          (opcode == 0xd9 && modrm >= 0xe0) || opcode == 0xda || (opcode == 0xde && modrm == 0xd9);
      form->index = implied ? 1 : modrm & 7;
      const bool is_fcmov = (opcode == 0xda || opcode == 0xdb) && modrm < 0xe0;
      if ((what.writes_flags || is_fcmov) && keeps_c1(*form)) form->conditions = 0;
    }
    return form;
  }

  std::mutex mutex_;
  std::array<std::unique_ptr<X87Form>, size_t{8} * 72> forms_;
};

}  // namespace

const X87Form* find_x87_form(u8 opcode, u8 modrm) {
  return FormTable::shared().find(opcode, modrm);
}

}  // namespace doppel::cpu
