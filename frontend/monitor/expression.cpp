#include "frontend/monitor/expression.h"

#include <cctype>
#include <optional>

#include "frontend/guest_view.h"
#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

constexpr unsigned kDeepest = 50;

constexpr std::string_view kWide[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr std::string_view kNarrow[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
constexpr std::string_view kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs"};

std::optional<u64> register_named(Machine& machine, std::string_view name) {
  const cpu::CpuState& state = machine.cpu().state;
  const GuestView view(machine);
  // Where the processor is and where its stack is: linear addresses, whatever the mode.
  if (name == "pc" || name == "rip" || name == "eip") return view.instruction_pointer().value;
  if (name == "sp" || name == "rsp" || name == "esp") return view.stack_address().value;
  for (unsigned i = 0; i < std::size(kWide); ++i) {
    if (name == kWide[i]) return state.reg(i);
  }
  for (unsigned i = 0; i < std::size(kNarrow); ++i) {
    if (name == kNarrow[i]) return state.reg(i) & 0xffff'ffff;
  }
  for (unsigned i = 0; i < std::size(kSegments); ++i) {
    const auto& segment = state.segment(static_cast<Seg>(i));
    if (name == kSegments[i]) return segment.selector;
    if (name == std::string(kSegments[i]) + "_base") return segment.base;
  }
  if (name == "eflags" || name == "rflags") return state.rflags();
  if (name == "cr0") return state.cr0;
  if (name == "cr2") return state.cr2;
  if (name == "cr3") return state.cr3;
  if (name == "cr4") return state.cr4;
  if (name == "efer") return state.efer;
  return std::nullopt;
}

class Parser {
 public:
  Parser(Machine& machine, std::string_view text) : machine_(machine), text_(text) {}

  Result<u64, Error> whole() {
    const u64 value = sum();
    skip_blanks();
    if (failure_.empty() && at_ < text_.size()) fail("'" + std::string(text_.substr(at_)) + "' is too much");
    if (!failure_.empty()) return Error{failure_};
    return value;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  /// The next character if it is one of these, which is then taken; otherwise 0.
  char take_one_of(std::string_view wanted) {
    skip_blanks();
    if (at_ == text_.size() || wanted.find(text_[at_]) == std::string_view::npos) return 0;
    return text_[at_++];
  }
  u64 fail(std::string why) {
    if (failure_.empty()) failure_ = std::move(why);
    return 0;
  }

  u64 sum() {
    u64 value = logic();
    while (const char sign = take_one_of("+-")) {
      const u64 right = logic();
      value = sign == '+' ? value + right : value - right;
    }
    return value;
  }
  u64 logic() {
    u64 value = product();
    while (const char sign = take_one_of("&|^")) {
      const u64 right = product();
      value = sign == '&' ? value & right : sign == '|' ? value | right : value ^ right;
    }
    return value;
  }
  u64 product() {
    u64 value = unary();
    while (const char sign = take_one_of("*/%")) {
      const u64 right = unary();
      if (sign == '*') {
        value *= right;
      } else if (right == 0) {
        return fail("division by zero");
      } else {
        value = sign == '/' ? value / right : value % right;
      }
    }
    return value;
  }
  u64 unary() {
    if (++depth_ > kDeepest) return fail("it is too deep");
    u64 value = 0;
    switch (take_one_of("+-~(")) {
      case '+':
        value = unary();
        break;
      case '-':
        value = 0 - unary();
        break;
      case '~':
        value = ~unary();
        break;
      case '(':
        value = sum();
        if (take_one_of(")") == 0) fail("a ')' is missing");
        break;
      default:
        value = word();
        break;
    }
    --depth_;
    return value;
  }
  u64 word() {
    skip_blanks();
    if (text_.size() - at_ >= 3 && text_[at_] == '\'' && text_[at_ + 2] == '\'') {
      at_ += 3;
      return static_cast<u8>(text_[at_ - 2]);
    }
    const size_t begin = at_;
    if (at_ < text_.size() && text_[at_] == '$') ++at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'))
      ++at_;
    const std::string_view name = text_.substr(begin, at_ - begin);
    if (name.empty()) return fail("a number is missing");
    const std::optional<u64> value =
        name.front() == '$' ? register_named(machine_, name.substr(1)) : parse_number(name);
    if (value) return *value;
    return fail("'" + std::string(name) + "' is not " + (name.front() == '$' ? "a register" : "a number"));
  }

  Machine& machine_;
  const std::string_view text_;
  size_t at_ = 0;
  unsigned depth_ = 0;
  std::string failure_;
};

}  // namespace

Result<u64, Error> evaluate(Machine& machine, std::string_view text) {
  return Parser(machine, text).whole();
}

}  // namespace doppel::frontend
