#pragma once

// A processor on 4 MiB of RAM with an environment that remembers what it was asked.

#include <initializer_list>
#include <map>
#include <string_view>
#include <vector>

#include "cpu/base/check.h"
#include "cpu/cpu.h"
#include "cpu/decoder.h"
#include "cpu/environment.h"
#include "mmu/io_map.h"
#include "mmu/machine_memory.h"
#include "mmu/physical_memory.h"
#include "mmu/pmap.h"

namespace doppel::test {

/// Ports that hold what was written, a vector to acknowledge, a counter that stands still until it gets a clock.
class FakeEnvironment final : public cpu::Environment {
 public:
  struct PortAccess {
    u16 port = 0;
    Width width = Width::Byte;
    u64 value = 0;
  };
  std::map<u16, u64> ports;
  std::vector<PortAccess> written;
  std::map<u32, u64> msrs;  ///< The ones "chips" own.
  u8 vector = 0x20;
  unsigned acknowledged = 0;
  u8 priority = 0;
  u64 counter = 0;
  const cpu::CpuState* clock = nullptr;  ///< With one, the counter counts its instructions.
  u64 adjust = 0;
  u64 waited_ns = 0;
  bool ferr = false;

  u64 read_port(u16 port, Width width) override {
    const auto found = ports.find(port);
    return (found == ports.end() ? ~u64{0} : found->second) & all_ones(width);
  }
  void write_port(u16 port, Width width, u64 value) override {
    written.push_back({port, width, value});
    ports[port] = value;
  }
  u8 acknowledge_interrupt() override {
    ++acknowledged;
    return vector;
  }
  bool read_msr(u32 index, u64& value) override {
    const auto found = msrs.find(index);
    if (found == msrs.end()) return false;
    value = found->second;
    return true;
  }
  bool write_msr(u32 index, u64 value) override {
    if (!msrs.contains(index)) return false;
    msrs[index] = value;
    return true;
  }
  u8 cr8() override { return priority; }
  void set_cr8(u8 value) override { priority = value; }
  u64 tsc() override { return counter + (clock != nullptr ? clock->retired : 0); }
  std::optional<u64> tsc_base() override { return clock != nullptr ? std::optional(counter) : std::nullopt; }
  void set_tsc(u64 value) override { counter = value - (tsc() - counter); }
  u64 tsc_adjust() override { return adjust; }
  void set_tsc_adjust(u64 value) override { adjust = value; }
  void wait(u64 time_ns) override { waited_ns += time_ns; }
  void set_ferr(bool level) override { ferr = level; }
};

class TestCpu {
 public:
  static constexpr u64 kRamBytes = 4u << 20;
  static constexpr u64 kGdt = 0x1000;
  static constexpr u64 kIdt = 0x2000;
  static constexpr u64 kTss = 0x3000;
  static constexpr u64 kCode = 0x10000;

  explicit TestCpu(std::string_view model = "max")
      : machine(take(mmu::MachineMemory::create((8u << 20) + mmu::FrameGathering::kGalleryFrames * kPageSize))),
        pmap(machine, kRamBytes / kPageSize),
        has_ram(pmap.add_ram(PhysAddr(0), kRamBytes)),
        memory(pmap, mmio),
        cpu(take(cpu::CpuModel::parse(model)), memory, environment),
        decoder(cpu.model()) {
    DOPPEL_CHECK(has_ram, "the fixture's RAM could not be declared");
    cpu.reset();
  }

  mmu::MachineMemory machine;
  mmu::Pmap pmap;
  bool has_ram;
  mmu::IoMap mmio;
  mmu::PhysicalMemory memory;
  FakeEnvironment environment;
  cpu::Cpu cpu;
  cpu::Decoder decoder;

  cpu::CpuState& state() { return cpu.state; }

  template <class T>
  T peek(u64 address) { return memory.read<T>(PhysAddr(address)); }
  template <class T>
  void poke(u64 address, T value) {
    memory.write(PhysAddr(address), static_cast<Width>(sizeof(T)), value);
  }
  void put(u64 address, std::initializer_list<u8> bytes) {
    const std::vector<u8> copy(bytes);
    memory.write_bytes(PhysAddr(address), copy);
  }

  /// The eight bytes of a descriptor; `attributes` as in attr::.
  static u64 descriptor(u32 base, u32 limit, u16 attributes) {
    return u64{limit & 0xffff} | (u64{base & 0xff'ffff} << 16) |
           (u64{attributes & 0xffu} << 40) | (u64{limit >> 16 & 0xf} << 48) |
           (u64{static_cast<u32>(attributes >> 8 & 0xf)} << 52) | (u64{base >> 24} << 56);
  }
  static u64 gate(u16 selector, u32 offset, unsigned type, unsigned dpl = 0, unsigned count = 0) {
    return u64{offset & 0xffff} | (u64{selector} << 16) | (u64{count} << 32) |
           (u64{0x80u | dpl << 5 | type} << 40) | (u64{offset >> 16} << 48);
  }
  void set_gdt(u16 selector, u64 value) { poke<u64>(kGdt + (selector & ~7u), value); }
  void set_idt(u8 vector, u64 value) { poke<u64>(kIdt + vector * 8u, value); }
  void set_idt64(u8 vector, u16 selector, u64 offset, unsigned type, unsigned dpl = 0,
                 unsigned ist = 0) {
    poke<u64>(kIdt + vector * 16u, gate(selector, static_cast<u32>(offset), type, dpl, ist));
    poke<u64>(kIdt + vector * 16u + 8, offset >> 32);
  }

  // Selectors of the table below.
  static constexpr u16 kCode32 = 0x08, kData32 = 0x10, kUserCode32 = 0x1b, kUserData32 = 0x23;
  static constexpr u16 kCode16 = 0x28, kData16 = 0x30, kTssSelector = 0x38;
  static constexpr u16 kCode64 = 0x48, kUserCode64 = 0x53, kConforming32 = 0x58;
  static constexpr u16 kFree = 0x60;  ///< For tests to fill, up to 0x3f8.

  /// Flat 32-bit protected mode at CPL 0, CS = kCode32, stack below 0x9000, a busy 32-bit TSS
  /// (ring 0 stack 10:8000), an empty IDT.
  void enter_protected() {
    set_gdt(kCode32, descriptor(0, 0xfffff, 0xc9b));
    set_gdt(kData32, descriptor(0, 0xfffff, 0xc93));
    set_gdt(kUserCode32, descriptor(0, 0xfffff, 0xcfb));
    set_gdt(kUserData32, descriptor(0, 0xfffff, 0xcf3));
    set_gdt(kCode16, descriptor(0, 0xffff, 0x09b));
    set_gdt(kData16, descriptor(0, 0xffff, 0x093));
    set_gdt(kTssSelector, descriptor(kTss, 0x2067, 0x08b));
    poke<u64>(kGdt + kTssSelector + 8, 0);
    set_gdt(kCode64, descriptor(0, 0xfffff, 0xa9b));
    set_gdt(kUserCode64, descriptor(0, 0xfffff, 0xafb));
    set_gdt(kConforming32, descriptor(0, 0xfffff, 0xc9f));
    poke<u32>(kTss + 4, 0x8000);
    poke<u16>(kTss + 8, kData32);
    poke<u16>(kTss + 0x66, 0x68);
    cpu::CpuState& s = state();
    s.gdtr = {kGdt, 0x3ff};
    s.idtr = {kIdt, 0x7ff};
    s.cr0 = cr0::PE | cr0::ET | cr0::NE;
    s.tr = segment(kTssSelector, kTss, 0x2067, 0x08b);
    s.ldtr = {};
    enter_segments(kCode32, 0xc9b, kData32, 0xc93, 0);
  }
  /// As enter_protected, at CPL 3.
  void enter_user32() {
    enter_protected();
    enter_segments(kUserCode32, 0xcfb, kUserData32, 0xcf3, 3);
  }
  /// 64-bit mode, identity-mapped 4 MiB (tables at 0x100000, user pages), TSS with RSP0 0x8000,
  /// IST1 0x7000.
  void enter_long(unsigned cpl = 0) {
    enter_protected();
    poke<u64>(0x100000, 0x101007);
    poke<u64>(0x101000, 0x102007);
    poke<u64>(0x102000, 0x000087);
    poke<u64>(0x102008, 0x200087);
    poke<u64>(kTss + 4, 0x8000);
    poke<u64>(kTss + 36, 0x7000);
    cpu::CpuState& s = state();
    s.idtr.limit = 0xfff;
    s.cr3 = 0x100000;
    s.cr4 |= cr4::PAE;
    s.efer = efer::LME | efer::LMA | efer::SCE | efer::NXE;
    s.cr0 |= cr0::PG | cr0::WP;
    cpu.update_paging();
    if (cpl == 0) {
      enter_segments(kCode64, 0xa9b, kData32, 0xc93, 0);
    } else {
      enter_segments(kUserCode64, 0xafb, kUserData32, 0xcf3, 3);
    }
  }
  /// Virtual-8086 mode at 1000:0000, stack 0900:0100, IOPL as given.
  void enter_v86(unsigned iopl) {
    enter_protected();
    cpu::CpuState& s = state();
    s.system_flags |= rflags::VM | (u64{iopl} << rflags::kIoplShift);
    s.cpl = 3;
    for (cpu::SegmentRegister& one : s.seg) one = segment(0x900, 0x9000, 0xffff, 0x0f3);
    s.segment(Seg::CS) = segment(0x1000, kCode, 0xffff, 0x0f3);
    s.gpr[RSP] = 0x100;
    s.rip() = 0;
    cpu.update_mode();
  }

  static cpu::SegmentRegister segment(u16 selector, u64 base, u32 limit, u16 attributes) {
    cpu::SegmentRegister result;
    result.selector = selector;
    result.base = base;
    result.limit = limit;
    result.attributes = attributes;
    result.update_window();
    return result;
  }

  /// Executes these bytes at CS:RIP as one instruction. A fault leaves RIP at its first byte.
  Result<void> execute(std::initializer_list<u8> bytes) {
    cpu::CpuState& s = state();
    const cpu::CodeSize size = cpu.code64()                     ? cpu::CodeSize::Bits64
                               : s.segment(Seg::CS).big() ? cpu::CodeSize::Bits32
                                                          : cpu::CodeSize::Bits16;
    const std::vector<u8> copy(bytes);
    cpu::Instruction insn;
    const cpu::Decoder::Status status =
        decoder.decode(size, s.real_or_v86(), copy.data(), copy.size(), insn);
    DOPPEL_CHECK(status == cpu::Decoder::Status::Ok, "a test's instruction is not complete");
    const u64 start = s.rip();
    s.rip() = start + insn.length;
    const Result<void> result = insn.handler(cpu, insn);
    if (!result.ok()) s.rip() = start;
    return result;
  }
  /// As execute, and raises what the instruction raised, as an engine does.
  void step(std::initializer_list<u8> bytes) {
    const Result<void> result = execute(bytes);
    if (!result.ok()) cpu.raise(result.error());
  }

 private:
  template <class T>
  static T take(Result<T, Error> result) {
    DOPPEL_CHECK(result.ok(), "the fixture could not be built");
    return result.take();
  }
  void enter_segments(u16 code, u16 code_attributes, u16 data, u16 data_attributes, unsigned cpl) {
    cpu::CpuState& s = state();
    for (cpu::SegmentRegister& one : s.seg) one = segment(data, 0, 0xffff'ffff, data_attributes);
    s.segment(Seg::CS) = segment(code, 0, 0xffff'ffff, code_attributes);
    s.cpl = static_cast<u8>(cpl);
    s.gpr[RSP] = 0x9000;
    s.rip() = kCode;
    cpu.update_mode();
  }
};

/// "#GP(0018)", "ok": what a test wants to see of a result.
inline bool faulted(const Result<void>& result, Vector vector, u32 error_code = 0) {
  return !result.ok() && result.error().vector == vector &&
         (!has_error_code(vector) || result.error().error_code == error_code);
}

}  // namespace doppel::test
