#include "frontend/autopsy.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "frontend/cpu_dump.h"

namespace doppel::frontend {
namespace {

constexpr u64 kMostBackwards = 96;
constexpr unsigned kInstructions = 12;
constexpr unsigned kStackWords = 16;

void append(std::string& out, const char* format, ...) __attribute__((format(printf, 2, 3)));
void append(std::string& out, const char* format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out += text;
}

unsigned long long wide(u64 value) { return value; }

/// The request that a #PF's error code describes.
mmu::WalkRequest request_of(u32 error_code) {
  mmu::WalkRequest request;
  request.access = (error_code & pf::I) != 0   ? Access::Fetch
                   : (error_code & pf::W) != 0 ? Access::Write
                                               : Access::Read;
  request.privilege = (error_code & pf::U) != 0 ? Privilege::User : Privilege::Supervisor;
  return request;
}

void add_walk(Autopsy& autopsy, const GuestView& view, const char* what, LinearAddr address,
              mmu::WalkRequest request) {
  const GuestView::Walk walk = view.walk(address, request);
  autopsy.walks.push_back({what, address.value, GuestView::describe(walk)});
}

/// Instructions before RIP can be found only from a place known to be the start of one: where the
/// last branch went.
void add_code(Autopsy& autopsy, const GuestView& view, LinearAddr address,
              const std::vector<cpu::BranchRecord>& branches) {
  LinearAddr start = address;
  if (!branches.empty()) {
    const LinearAddr target = view.code_address(branches.back().to);
    if (target.value < address.value && address.value - target.value <= kMostBackwards)
      start = target;
  }
  std::vector<GuestView::Line> lines = view.disassemble(start, kMostBackwards + kInstructions);
  size_t here = 0;
  while (here < lines.size() && lines[here].address < address.value) ++here;
  if (here < lines.size() && lines[here].address != address.value) {
    lines = view.disassemble(address, kInstructions);  // The guess was wrong.
    here = 0;
  }
  const size_t first = here > kInstructions ? here - kInstructions : 0;
  const size_t last = std::min<size_t>(lines.size(), here + kInstructions);
  autopsy.code.assign(lines.begin() + static_cast<std::ptrdiff_t>(std::min(first, last)),
                      lines.begin() + static_cast<std::ptrdiff_t>(last));
  autopsy.code_marker = address.value;
}

void add_stack(Autopsy& autopsy, const GuestView& view, const cpu::CpuState& state) {
  autopsy.stack_word_bytes = state.code64() ? 8 : state.segment(Seg::SS).big() ? 4 : 2;
  autopsy.stack_address = view.stack_address().value;
  const std::vector<u8> bytes =
      view.read(view.stack_address(), kStackWords * autopsy.stack_word_bytes);
  for (size_t i = 0; i + autopsy.stack_word_bytes <= bytes.size(); i += autopsy.stack_word_bytes) {
    u64 word = 0;
    std::memcpy(&word, bytes.data() + i, autopsy.stack_word_bytes);
    autopsy.stack.push_back(word);
  }
}

}  // namespace

std::string vector_name(u8 vector) {
  static constexpr const char* kNames[] = {
      "#DE", "#DB", "NMI", "#BP", "#OF", "#BR",       "#UD", "#NM", "#DF", "vector 9",
      "#TS", "#NP", "#SS", "#GP", "#PF", "vector 15", "#MF", "#AC", "#MC", "#XM"};
  if (vector < std::size(kNames)) return kNames[vector];
  return "interrupt " + std::to_string(vector);
}

std::string summarize_faults(const cpu::Cpu& cpu) {
  std::string text;
  for (const cpu::FaultRecord& fault : cpu.fault_chain()) {
    if (!text.empty()) text += ", then ";
    text += vector_name(fault.vector);
    if (fault.vector < 32 && has_error_code(static_cast<Vector>(fault.vector)))
      append(text, "(0x%x)", fault.error_code);
    append(text, " at %04x:0x%llx", fault.cs, wide(fault.rip));
    if (fault.vector == static_cast<u8>(Vector::PF)) append(text, " for 0x%llx", wide(fault.cr2));
  }
  if (text.empty()) append(text, "at 0x%llx", wide(cpu.state.rip()));
  return text;
}

Autopsy examine(Machine& machine, std::string reason) {
  const cpu::Cpu& cpu = machine.cpu();
  const GuestView view(machine);
  Autopsy autopsy;
  autopsy.reason = std::move(reason);
  autopsy.mode = mode_name(cpu.state);
  autopsy.registers = dump_registers(cpu.state, machine.memory().a20());
  const cpu::FaultRecord* page_fault = nullptr;
  for (const cpu::FaultRecord& fault : cpu.fault_chain()) {
    autopsy.faults.push_back({vector_name(fault.vector), fault.error_code, fault.cs, fault.rip,
                              fault.cr2, fault.failure});
    if (fault.vector == static_cast<u8>(Vector::PF) && page_fault == nullptr) page_fault = &fault;
  }
  const LinearAddr where = cpu.fault_chain().empty()
                               ? view.instruction_pointer()
                               : view.code_address(cpu.fault_chain().front().rip);
  const Privilege privilege = cpu.state.cpl == 3 ? Privilege::User : Privilege::Supervisor;
  add_walk(autopsy, view, "RIP", where, {Access::Fetch, privilege, false});
  if (page_fault != nullptr) {
    add_walk(autopsy, view, "CR2", LinearAddr(page_fault->cr2), request_of(page_fault->error_code));
  }
  add_walk(autopsy, view, "IDT", LinearAddr(cpu.state.idtr.base),
           {Access::Read, Privilege::Implicit, false});
  add_walk(autopsy, view, "RSP", view.stack_address(), {Access::Write, privilege, false});
  autopsy.branches = cpu.last_branches();
  add_code(autopsy, view, where, autopsy.branches);
  add_stack(autopsy, view, cpu.state);
  autopsy.post_codes = machine.board().post_codes();
  return autopsy;
}

std::string Autopsy::text() const {
  std::string out;
  append(out, "doppel: the guest died: %s\n\nmode: %s\n", reason.c_str(), mode.c_str());
  out += registers;
  if (!faults.empty()) out += "\nfaults, first one first:\n";
  for (const FaultLine& fault : faults) {
    append(out, "  %-4s error 0x%x at %04x:0x%llx, CR2 0x%llx%s%s\n", fault.name.c_str(),
           fault.error_code, fault.cs, wide(fault.rip), wide(fault.cr2),
           fault.failure.empty() ? "" : "\n       not delivered: ", fault.failure.c_str());
  }
  for (const WalkReport& walk : walks) {
    append(out, "\n%s 0x%llx:\n", walk.what.c_str(), wide(walk.address));
    if (walk.lines.empty()) out += "  (not canonical, or no tables)\n";
    for (const std::string& line : walk.lines) append(out, "  %s\n", line.c_str());
  }
  if (!code.empty()) out += "\ncode:\n";
  for (const GuestView::Line& line : code) {
    append(out, "%s 0x%016llx  %-30s %s\n", line.address == code_marker ? "->" : "  ",
           wide(line.address), line.bytes.c_str(), line.text.c_str());
  }
  if (!branches.empty()) out += "\nlast branches, newest last:\n";
  for (const cpu::BranchRecord& branch : branches)
    append(out, "  0x%llx -> 0x%llx\n", wide(branch.from), wide(branch.to));
  append(out, "\nstack at 0x%llx:", wide(stack_address));
  for (size_t i = 0; i < stack.size(); ++i) {
    append(out, "%s%0*llx", i % 4 == 0 ? "\n  " : " ", static_cast<int>(stack_word_bytes * 2),
           wide(stack[i]));
  }
  out += stack.empty() ? " not mapped\n" : "\n";
  if (!post_codes.empty()) {
    out += "\nPOST codes:";
    for (const u8 code_byte : post_codes) append(out, " %02x", code_byte);
    out += '\n';
  }
  return out;
}

}  // namespace doppel::frontend
