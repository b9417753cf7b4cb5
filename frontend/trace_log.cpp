#include "frontend/trace_log.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstring>

#include <unistd.h>

#include "cpu/base/log.h"
#include "frontend/cpu_dump.h"
#include "frontend/guest_view.h"
#include "frontend/listing.h"
#include "frontend/option_values.h"

namespace doppel::frontend {
namespace {

struct Item {
  std::string_view name;
  std::string_view meaning;
};
constexpr Item kItems[] = {
    {"in_asm", "guest code when it is decoded"},
    {"out_asm", "host code of each block when it is translated, under the guest's"},
    {"exec", "each block before it runs"},
    {"int", "exceptions and interrupts before they are delivered"},
    {"cpu", "registers before each block"},
    {"mmu", "the page walk behind each page fault"},
    {"cpu_reset", "registers at each reset"},
    {"guest_errors", "what a guest does that no driver should"},
    {"unimp", "the same as guest_errors"},
    {"nochain", "accepted: every block is shown anyway"},
};

cpu::CodeSize code_size(const cpu::CpuState& state) {
  if (state.code64()) return cpu::CodeSize::Bits64;
  return state.segment(Seg::CS).big() ? cpu::CodeSize::Bits32 : cpu::CodeSize::Bits16;
}

std::string with_process_id(const std::string& path) {
  std::string out = path;
  if (const size_t at = out.find("%d"); at != std::string::npos)
    out.replace(at, 2, std::to_string(::getpid()));
  return out;
}

}  // namespace

Result<std::vector<AddressRange>, Error> parse_filter(std::string_view text) {
  std::vector<AddressRange> ranges;
  for (const std::string& part : split_commas(text)) {
    const Error malformed{"'" + part + "' is not A+LENGTH, A-LENGTH or A..B"};
    size_t at = part.find("..");
    size_t skip = 2;
    if (at == std::string::npos) {
      at = part.find_first_of("+-");
      skip = 1;
    }
    if (at == std::string::npos) return malformed;
    const auto left = parse_number(part.substr(0, at));
    const auto right = parse_number(part.substr(at + skip));
    if (!left || !right) return malformed;
    if (skip == 2) {
      if (*right < *left) return Error{"'" + part + "' ends before it begins"};
      ranges.push_back({*left, *right});
    } else if (*right == 0) {
      return Error{"'" + part + "' is empty"};
    } else if (part[at] == '+') {
      ranges.push_back({*left, *left + std::min(*right - 1, ~u64{0} - *left)});
    } else {
      ranges.push_back({*left - std::min(*right - 1, *left), *left});
    }
  }
  return ranges;
}

std::string TraceLog::item_list() {
  std::string out = "items of -d:\n";
  for (const Item& item : kItems) {
    out += "  " + std::string(item.name) + std::string(14 - item.name.size(), ' ') +
           std::string(item.meaning) + "\n";
  }
  return out;
}

Result<std::unique_ptr<TraceLog>, Error> TraceLog::create(const std::vector<std::string>& items,
                                                          const std::string& path,
                                                          const std::string& filter) {
  std::unique_ptr<TraceLog> log(new TraceLog());
  for (const std::string& item : items) (void)log->set_item(item);
  if (!filter.empty()) {
    auto ranges = parse_filter(filter);
    if (!ranges.ok()) return Error{"-dfilter: " + ranges.error().message};
    log->filter_ = ranges.take();
  }
  log->file_ = stderr;
  if (path.empty()) return log;
  const auto opened = log->move_to(path);
  if (!opened.ok()) return Error{"-D: " + opened.error().message};
  return log;
}

bool TraceLog::set_item(std::string_view item) {
  if (item == "in_asm")
    in_asm_ = true;
  else if (item == "out_asm")
    out_asm_ = true;
  else if (item == "exec")
    exec_ = true;
  else if (item == "int")
    interrupts_ = true;
  else if (item == "cpu")
    registers_ = true;
  else if (item == "mmu")
    mmu_ = true;
  else if (item == "cpu_reset")
    resets_ = true;
  else if (item == "guest_errors" || item == "unimp")
    guest_errors_ = true;
  else
    return item == "nochain" || item == "none";
  return true;
}

Result<void, Error> TraceLog::choose(std::string_view items) {
  TraceLog chosen;
  for (const std::string& item : split_commas(items)) {
    if (!chosen.set_item(item)) return Error{"there is no log item '" + item + "'"};
  }
  in_asm_ = chosen.in_asm_;
  out_asm_ = chosen.out_asm_;
  exec_ = chosen.exec_;
  interrupts_ = chosen.interrupts_;
  registers_ = chosen.registers_;
  mmu_ = chosen.mmu_;
  resets_ = chosen.resets_;
  guest_errors_ = chosen.guest_errors_;
  if (machine_ != nullptr) install();
  return {};
}

Result<void, Error> TraceLog::move_to(const std::string& path) {
  std::FILE* const file = std::fopen(with_process_id(path).c_str(), "we");
  if (file == nullptr) return Error{path + ": " + std::strerror(errno)};
  if (owned_) std::fclose(file_);
  file_ = file;
  owned_ = true;
  return {};
}

TraceLog::~TraceLog() {
  if (owned_) std::fclose(file_);
}

void TraceLog::attach(Machine& machine) {
  machine_ = &machine;
  decoder_.emplace(machine.cpu().model());
  install();
}

void TraceLog::install() {
  const bool wants_events = in_asm_ || exec_ || interrupts_ || registers_ || mmu_;
  machine_->cpu().trace = wants_events ? this : nullptr;
  if (!out_asm_ || watches_) return;
  if (translator_statistics(machine_->engine()) == nullptr)
    log::info("machine", "-d out_asm: the interpreter makes no host code");
  watches_ = true;
  watch_translations(machine_->engine(), [this](const jit::Listing& listing) {
    if (out_asm_) translated(listing);
  });
}

void TraceLog::translated(const jit::Listing& listing) {
  const u64 size = listing.guest.empty() ? 1 : listing.guest.size();
  const LinearAddr first(listing.guest_rip);
  // A block passes with its first instruction or any of those behind it.
  u64 at = first.value;
  bool wanted = filter_.empty();
  for (u64 i = 0; i < size && !wanted; ++i) {
    wanted = passes(LinearAddr(at));
    if (i < listing.guest.size()) at += listing.guest[i].length;
  }
  if (wanted) std::fputs(out_asm(listing, *decoder_).c_str(), file_);
}

bool TraceLog::passes(LinearAddr address) const {
  if (filter_.empty()) return true;
  return std::any_of(filter_.begin(), filter_.end(), [&](const AddressRange& range) {
    return address.value >= range.first && address.value <= range.last;
  });
}

void TraceLog::reset(const cpu::CpuState& state) {
  if (!resets_) return;
  std::fprintf(file_, "CPU Reset (CPU 0)\n%s",
               dump_registers(state, machine_->memory().a20()).c_str());
}

void TraceLog::note(std::string_view channel, std::string_view line) {
  std::fprintf(file_, "%.*s: %.*s\n", static_cast<int>(channel.size()), channel.data(),
               static_cast<int>(line.size()), line.data());
}

void TraceLog::decoded(const cpu::CpuState& state, LinearAddr address,
                       const cpu::Instruction* instructions, size_t count) {
  if (!in_asm_ || !passes(address)) return;
  std::fputs("----------------\nIN: \n", file_);
  u64 at = address.value;
  for (size_t i = 0; i < count; ++i) {
    const cpu::Instruction& insn = instructions[i];
    std::string bytes;
    for (unsigned j = 0; j < insn.length; ++j) {
      char hex[4];
      std::snprintf(hex, sizeof hex, "%02x ", insn.bytes[j]);
      bytes += hex;
    }
    const std::string text = decoder_->disassemble(code_size(state), insn.bytes, insn.length, at);
    std::fprintf(file_, "0x%08" PRIx64 ":  %-32s %s\n", at, bytes.c_str(), text.c_str());
    at += insn.length;
  }
  std::fputs("\n", file_);
}

void TraceLog::block_entered(const cpu::CpuState& state, LinearAddr address) {
  if (!passes(address)) return;
  if (exec_) {
    const u64 base = state.code64() ? 0 : state.segment(Seg::CS).base;
    std::fprintf(file_, "Trace 0: 0 [%08" PRIx64 "/%016" PRIx64 "/%08x/00000000] \n", base,
                 address.value, static_cast<unsigned>(state.cpl | (state.code64() ? 0x8000u : 0u)));
  }
  if (registers_) std::fputs(dump_registers(state, machine_->memory().a20()).c_str(), file_);
}

void TraceLog::delivered(const cpu::CpuState& state, u8 vector, u32 error_code, bool software,
                         bool external, int previous) {
  const u64 count = events_++;
  const bool page_fault = vector == static_cast<u8>(Vector::PF) && !software && !external;
  if (mmu_ && page_fault) {
    const GuestView view(*machine_);
    mmu::WalkRequest request;
    request.access = (error_code & pf::I) != 0   ? Access::Fetch
                     : (error_code & pf::W) != 0 ? Access::Write
                                                 : Access::Read;
    request.privilege = (error_code & pf::U) != 0 ? Privilege::User : Privilege::Supervisor;
    const GuestView::Walk walk = view.walk(LinearAddr(state.cr2), request);
    std::fprintf(file_, "mmu: page fault at %016" PRIx64 " e=%04x\n", state.cr2, error_code);
    for (const std::string& line : GuestView::describe(walk))
      std::fprintf(file_, "mmu:   %s\n", line.c_str());
  }
  if (!interrupts_) return;
  if (!software && !external) {
    if (previous >= 0) {
      std::fprintf(file_, "check_exception old: 0x%x new 0x%x\n", static_cast<unsigned>(previous),
                   vector);
    } else {
      std::fprintf(file_, "check_exception old: 0xffffffff new 0x%x\n", vector);
    }
  }
  std::fprintf(file_,
               "%6" PRIu64 ": v=%02x e=%04x i=%d cpl=%d IP=%04x:%016" PRIx64 " pc=%016" PRIx64
               " SP=%04x:%016" PRIx64,
               count, vector, error_code, software, state.cpl, state.segment(Seg::CS).selector,
               state.rip(),
               state.code64() ? state.rip() : state.segment(Seg::CS).base + state.rip(),
               state.segment(Seg::SS).selector, state.gpr[RSP]);
  if (vector == static_cast<u8>(Vector::PF)) {
    std::fprintf(file_, " CR2=%016" PRIx64 "\n", state.cr2);
  } else {
    std::fprintf(file_, " env->regs[R_EAX]=%016" PRIx64 "\n", state.gpr[RAX]);
  }
  std::fputs(dump_registers(state, machine_->memory().a20()).c_str(), file_);
}

}  // namespace doppel::frontend
