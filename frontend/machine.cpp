#include "frontend/machine.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include <xxhash.h>

#include "cpu/base/log.h"
#include "devices/pc_layout.h"
#include "frontend/loaders/entry_state.h"
#include "frontend/lockstep.h"

namespace doppel::frontend {

namespace layout = devices::layout;

namespace {

u64 pages(u64 size_bytes) { return (size_bytes + kPageSize - 1) / kPageSize; }

/// As much of the firmware as is shown below 1 MiB.
constexpr u64 kLowFirmware = u64{128} << 10;

u64 own_frames(const MachineConfig& config) {
  // With the RAM below 1 MiB of a machine that was given less.
  const u64 cards = config.board.has_vga ? config.board.video_memory_bytes : 0;
  return std::max(pages(config.ram_bytes), pages(layout::kHighRam)) +
         pages(config.firmware.size()) + pages(cards) +
         (config.firmware.empty() ? 0 : pages(layout::kHighRam - layout::kRomArea));
}

/// The TSC runs at 1 GHz whatever an instruction costs.
constexpr u64 kTscHz = 1'000'000'000;

}  // namespace

u64 Machine::frames_needed(const MachineConfig& config) {
  // A lockstep has three machines when it looks for the beginning of a difference.
  return own_frames(config) * (config.engine == EngineKind::Lockstep ? 3 : 1);
}

Machine::Machine(const MachineConfig& config, mmu::MachineMemory& pool)
    : config_(config), pmap_(pool, own_frames(config)), memory_(pmap_, mmio_) {}

Machine::~Machine() = default;

Result<std::unique_ptr<Machine>, Error> Machine::create(const MachineConfig& config,
                                                        mmu::MachineMemory& pool) {
  std::unique_ptr<Machine> machine(new Machine(config, pool));
  DOPPEL_TRY(machine->lay_out_memory());

  machine->cpu_ = std::make_unique<cpu::Cpu>(machine->config_.model, machine->memory_,
                                             static_cast<cpu::Environment&>(*machine));
  cpu::Cpu& cpu = *machine->cpu_;
  cpu.state.random ^= config.seed * 0x2545'f491'4f6c'dd1d;
  machine->scheduler_ =
      std::make_unique<devices::Scheduler>(cpu.state.retired, config.icount_shift);

  devices::BoardConfig board = config.board;
  board.ram_bytes = config.ram_bytes;
  board.cpus = 1;
  board.seed = config.seed;
  board.tsc_hz = kTscHz;
  machine->board_ = std::make_unique<devices::PcBoard>(
      board, machine->memory_, machine->ports_, *machine->scheduler_,
      static_cast<devices::ProcessorLines&>(*machine),
      static_cast<devices::MachineControl&>(*machine));
  if (config.own_engine) {
    machine->engine_ = config.own_engine(cpu);
  } else {
    DOPPEL_TRY(machine->engine_, make_engine(config.engine, cpu, config.jit));
  }
  cpu.mmu.set_paging_scheme(config.paging);
  cpu.mmu.set_mismatch_hook([owner = machine.get()](std::string what) {
    owner->note_paging_mismatch(std::move(what));
  });
  machine->memory_.set_remap_hook([&cpu] {
    cpu.mmu.flush_all();
    cpu.attention = true;
  });
  machine->memory_.tracking().set_protect_hook(
      [&cpu](PhysAddr page) { cpu.mmu.page_became_tracked(page); });
  if (config.engine == EngineKind::Lockstep) {
    DOPPEL_TRY(machine->lockstep_, Lockstep::create(*machine, pool));
  }
  return machine;
}

Result<void, Error> Machine::lay_out_memory() {
  const u64 ram = config_.ram_bytes;
  const u64 low_end = std::min(ram, layout::kPciHole);
  bool fits = pmap_.add_ram(PhysAddr(0), std::min(ram, layout::kVgaHole));
  if (low_end > layout::kHighRam) {
    fits = fits && pmap_.add_ram(PhysAddr(layout::kHighRam), low_end - layout::kHighRam);
  }
  if (ram > layout::kPciHole) {
    fits = fits && pmap_.add_ram(PhysAddr(layout::kFourGib), ram - layout::kPciHole);
  }
  // Without firmware there is RAM where it would be.
  const u64 rom_area = layout::kHighRam - layout::kRomArea;
  if (config_.firmware.empty()) fits = fits && pmap_.add_ram(PhysAddr(layout::kRomArea), rom_area);
  if (!fits) return Error{"-m: the memory cannot be laid out"};
  return place_firmware();
}

/// The chip ends at 4 GiB, and its last 128 KiB are at the end of the first MiB too. What else of
/// the ROM area has no chip reads as ones, as an empty socket does; behind all of it is the RAM that
/// the host bridge can switch in.
Result<void, Error> Machine::place_firmware() {
  const std::vector<u8>& rom = config_.firmware;
  if (rom.empty()) return {};
  const u64 size = pages(rom.size()) * kPageSize;
  DOPPEL_TRY(pmap_.add_rom(PhysAddr(layout::kFourGib - size), rom.data(), rom.size()));
  const u64 shown = std::min(size, kLowFirmware);
  const u64 sockets = layout::kHighRam - layout::kRomArea - shown;
  const std::vector<u8> nothing(sockets, 0xff);
  DOPPEL_TRY(pmap_.add_rom(PhysAddr(layout::kRomArea), nothing.data(), nothing.size()));
  if (!pmap_.alias_rom(PhysAddr(layout::kHighRam - shown), PhysAddr(layout::kFourGib - shown), shown))
    return Error{"-bios: the firmware cannot be shown below 1 MiB"};
  return {};
}

loaders::BootContext Machine::boot_context() {
  loaders::BootContext context;
  context.memory = loaders::MemoryMap::of_board(config_.ram_bytes);
  context.acpi_rsdp = board_->install_acpi_tables();
  if (context.acpi_rsdp != 0) {
    context.rsdp.resize(36);
    memory_.read_bytes(PhysAddr(context.acpi_rsdp), context.rsdp);
  }
  context.long_mode = cpu_->has(cpu::Feature::lm);
  if (lockstep_) lockstep_->boot_context_taken();
  return context;
}

void Machine::set_boot_plan(loaders::BootPlan plan) {
  boot_plan_ = std::move(plan);
  if (lockstep_) lockstep_->boot_plan_set();
}

std::string_view Machine::engine_name() const {
  if (lockstep_) return frontend::engine_name(EngineKind::Lockstep);
  return frontend::engine_name(translator_statistics(*engine_) != nullptr ? EngineKind::Translator
                                                                         : EngineKind::Interpreter);
}

// ---- the doors -----------------------------------------------------------------------------------

void Machine::reset() {
  reset_alone();
  if (lockstep_) lockstep_->reset();
}

cpu::ExitReason Machine::run(u64 budget) {
  return lockstep_ ? lockstep_->run(budget) : engine_->run(budget);
}

void Machine::run_due() {
  if (lockstep_) lockstep_->run_due();
  scheduler_->run_due();
}

void Machine::skip_to(u64 time_ns) {
  if (lockstep_) lockstep_->skip_to(time_ns);
  scheduler_->skip_to(time_ns);
}

devices::ByteReceiver& Machine::receiver(InputPort port) {
  switch (port) {
    case InputPort::Serial1:
      return board_->serial_input(1);
    case InputPort::Keyboard:
      return board_->keyboard_input();
    case InputPort::Mouse:
      return board_->mouse_input();
    case InputPort::Console:
      return board_->console_input();
    case InputPort::Serial0:
      break;
  }
  return board_->serial_input(0);
}

void Machine::receive(InputPort port, u8 byte) {
  if (lockstep_) lockstep_->receive(port, byte);
  receiver(port).receive(byte);
}

void Machine::receive_frame(size_t card, std::span<const u8> frame) {
  if (lockstep_) lockstep_->receive_frame(card, frame);
  if (devices::NetworkCard* const found = board_->network_card(card)) found->receive(frame);
}

bool Machine::can_receive_frame(size_t card) {
  const devices::NetworkCard* const found = board_->network_card(card);
  return found != nullptr && found->can_receive();
}

void Machine::press_power_button() {
  if (lockstep_) lockstep_->press_power_button();
  board_->press_power_button();
}

void Machine::change_medium(const MediaChange& change) {
  if (lockstep_) lockstep_->change_medium(change);
  change_medium_alone(change);
}

std::optional<size_t> Machine::find_drive(std::string_view name) const {
  const auto& drives = board_->drives();
  for (size_t i = 0; i < drives.size(); ++i) {
    if (drives[i].name == name) return i;
  }
  return std::nullopt;
}

Result<void, Error> Machine::open_medium(MediaChange& change) const {
  const auto drive = find_drive(change.drive);
  if (!drive) return Error{change.drive + ": there is no such drive"};
  return frontend::open_medium(change, board_->drives()[*drive],
                               lockstep_ ? MediumUse::Twice : MediumUse::Alone);
}

void Machine::press_nmi_button() {
  if (lockstep_) lockstep_->press_nmi_button();
  cpu_->raise_nmi();
}

std::optional<MachineRequest> Machine::take_request() {
  if (lockstep_) lockstep_->request_taken(request_);
  return std::exchange(request_, std::nullopt);
}

void Machine::serialize(Archive& archive) {
  serialize_alone(archive);
  if (!lockstep_) return;
  if (archive.is_loading()) {
    lockstep_->loaded();
  } else {
    lockstep_->drop_caches();
  }
}

// ---- this machine alone --------------------------------------------------------------------------

/// Memory that is zero already stays untouched: the host may not have given it yet.
void Machine::place(const loaders::Piece& piece) {
  static constexpr std::array<u8, kPageSize> kZeros{};
  memory_.write_bytes(piece.address, piece.bytes);
  std::array<u8, kPageSize> present;
  for (u64 at = piece.address.value + piece.bytes.size(); at < piece.end();) {
    const u64 count = std::min(piece.end() - at, kPageSize - (at & kPageOffsetMask));
    memory_.read_bytes(PhysAddr(at), {present.data(), count});
    if (std::memcmp(present.data(), kZeros.data(), count) != 0) memory_.write_bytes(PhysAddr(at), {kZeros.data(), count});
    at += count;
  }
}

void Machine::reset_alone() {
  request_.reset();
  board_->reset();
  cpu_->reset();
  if (boot_plan_.entry.mode == loaders::Entry::Mode::Reset) {
    for (const loaders::Piece& piece : boot_plan_.pieces) place(piece);
  } else {
    set_a20(true);
    board_->install_acpi_tables();
    board_->firmware_state();
    for (const loaders::Piece& piece : boot_plan_.pieces) place(piece);
    loaders::apply_entry(boot_plan_.entry, *cpu_);
  }
  drop_caches();
}

void Machine::change_medium_alone(const MediaChange& change) {
  const auto drive = find_drive(change.drive);
  if (!drive) return;
  if (board_->door(*drive).is_locked && !change.force) {
    board_->press_eject_button(*drive);
  } else if (!board_->change_medium(*drive, change.medium, change.file)) {
    log::warn("machine", "%s: drive %s cannot take it", change.file.c_str(), change.drive.c_str());
  }
}

void Machine::drop_caches() {
  cpu_->mmu.flush_all();
  engine_->flush();
}

void Machine::serialize_alone(Archive& archive) {
  // Saving drops what is cached too: afterwards both machines set accessed bits at the same
  // moments.
  drop_caches();
  archive.section("scheduler", [&] { scheduler_->serialize(archive); });
  archive.section("cpu", [&] { cpu_->serialize(archive); });
  archive.section("memory", [&] { memory_.serialize(archive); });
  archive.section("board", [&] { board_->serialize(archive); });
  if (archive.is_loading()) loaded();
}

void Machine::serialize_chips(Archive& archive) {
  drop_caches();
  bool a20 = memory_.a20();
  archive.section("scheduler", [&] { scheduler_->serialize(archive); });
  archive.section("cpu", [&] { cpu_->serialize(archive); });
  archive.section("a20", [&] { archive(a20); });
  archive.section("board", [&] { board_->serialize(archive); });
  if (archive.is_loading()) {
    memory_.set_a20(a20);
    loaded();
    if (lockstep_) lockstep_->loaded();
  } else if (lockstep_) {
    lockstep_->drop_caches();
  }
}

void Machine::loaded() {
  request_.reset();
  cpu_->update_paging();
  cpu_->update_mode();
  cpu_->attention = true;
  drop_caches();
}

void Machine::become(Machine& other) {
  // Stores go past A20 here, and tell whoever tracks a page.
  memory_.set_a20(true);
  // So do those to RAM behind ROM, while both machines show it.
  const u64 rom_area = layout::kHighRam - layout::kRomArea;
  for (Machine* const machine : {this, &other})
    (void)machine->pmap_.set_rom_shadow(PhysAddr(layout::kRomArea), rom_area, mmu::RomShadow::Ram);
  static constexpr u8 kZeros[kPageSize] = {};
  const auto take_page = [&](PhysAddr page, const u8* wanted) {
    const u8* const mine = pmap_.peek(page);
    if (std::memcmp(mine == nullptr ? kZeros : mine, wanted, kPageSize) == 0) return;
    memory_.write_bytes(page, std::span(wanted, kPageSize));
  };
  other.pmap_.for_each_present(take_page);
  std::vector<PhysAddr> extra;
  pmap_.for_each_present([&](PhysAddr page, const u8*) {
    if (other.pmap_.peek(page) == nullptr) extra.push_back(page);
  });
  for (const PhysAddr page : extra) take_page(page, kZeros);

  std::vector<u8> bytes;
  const auto copy = [&bytes](auto& from, auto& to) {
    bytes.clear();
    Archive saver = Archive::saver(bytes);
    from.serialize(saver);
    Archive loader = Archive::loader(bytes);
    to.serialize(loader);
  };
  copy(*other.scheduler_, *scheduler_);
  copy(*other.cpu_, *cpu_);
  memory_.set_a20(other.memory_.a20());
  copy(*other.board_, *board_);
  for (Machine* const machine : {this, &other}) machine->board_->show_rom_segments();
  request_ = other.request_;
  cpu_->mmu.flush_all();
  cpu_->attention = true;
}

std::string Machine::state_hash() {
  std::vector<u8> chips;
  Archive archive = Archive::saver(chips);
  cpu_->serialize(archive);
  scheduler_->serialize(archive);
  board_->serialize(archive);
  bool a20 = memory_.a20();
  archive(a20);

  XXH3_state_t* const hash = XXH3_createState();
  XXH3_128bits_reset(hash);
  XXH3_128bits_update(hash, chips.data(), chips.size());
  pmap_.for_each_present([&](PhysAddr page, const u8* bytes) {
    // Which untouched pages have frames is doppel's business: pages of zeros do not count.
    const u8* const end = bytes + kPageSize;
    if (std::all_of(bytes, end, [](u8 byte) { return byte == 0; })) return;
    XXH3_128bits_update(hash, &page.value, sizeof page.value);
    XXH3_128bits_update(hash, bytes, kPageSize);
  });
  const XXH128_hash_t digest = XXH3_128bits_digest(hash);
  XXH3_freeState(hash);
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(digest.high64),
                static_cast<unsigned long long>(digest.low64));
  return text;
}

// ---- the processor asks
// ---------------------------------------------------------------------------

u64 Machine::read_port(u16 port, Width width) {
  const u64 value = ports_.read(port, width);
  pass_bus_time(port);
  return value;
}

void Machine::write_port(u16 port, Width width, u64 value) {
  ports_.write(port, width, value);
  pass_bus_time(port);
}

/// A processor waits for the bus. Software counts on it: it polls chips in loops that would otherwise
/// take as many instructions as the wait has nanoseconds.
void Machine::pass_bus_time(u16 port) {
  wait(layout::bus_time_ns(port));
}
void Machine::wait(u64 time_ns) { scheduler_->skip_to(scheduler_->now_ns() + time_ns); }
u8 Machine::acknowledge_interrupt() { return board_->acknowledge_interrupt(); }
bool Machine::read_msr(u32 index, u64& value) { return board_->read_msr(index, value); }
bool Machine::write_msr(u32 index, u64 value) { return board_->write_msr(index, value); }
u8 Machine::cr8() { return board_->cr8(); }
void Machine::set_cr8(u8 priority) { board_->set_cr8(priority); }
u64 Machine::tsc() { return board_->tsc(); }
std::optional<u64> Machine::tsc_base() {
  const bool counts_instructions = scheduler_->shift() == 0 && kTscHz == 1'000'000'000;
  if (!counts_instructions) return std::nullopt;
  return board_->tsc() - cpu_->state.retired;
}
void Machine::set_tsc(u64 value) { board_->set_tsc(value); }
u64 Machine::tsc_adjust() { return board_->tsc_adjust(); }
void Machine::set_tsc_adjust(u64 value) { board_->set_tsc_adjust(value); }
void Machine::set_ferr(bool level) { board_->set_ferr(level); }

// ---- the board drives
// -----------------------------------------------------------------------------

void Machine::set_intr(bool level) { cpu_->set_intr(level); }
void Machine::raise_nmi() { cpu_->raise_nmi(); }
void Machine::raise_init() { cpu_->raise_init(); }
void Machine::raise_startup(u8 /*vector*/) {
  // Only a processor that waits for a startup message after INIT takes one; the boot processor
  // never does.
}

void Machine::note_paging_mismatch(std::string what) {
  if (!paging_mismatches_.insert(what).second) return;
  log::warn("machine", "--mmu check, after %llu instructions: %s",
            static_cast<unsigned long long>(cpu_->state.retired), what.c_str());
  if (paging_mismatch_.empty()) paging_mismatch_ = std::move(what);
  cpu_->attention = true;
}

void Machine::request(const MachineRequest& wanted) {
  if (!request_) request_ = wanted;  // The first wish of an instruction is the one that happens.
  cpu_->attention = true;
}
void Machine::request_reset(ResetCause cause) { request({MachineRequest::Kind::Reset, cause, 0}); }
void Machine::request_shutdown() {
  request({MachineRequest::Kind::Shutdown, ResetCause::Other, 0});
}
void Machine::request_exit(int status) {
  request({MachineRequest::Kind::Exit, ResetCause::Other, status});
}

void Machine::report_guest(GuestEvent event) {
  using Kind = MachineRequest::Kind;
  const Kind kind = event == GuestEvent::Panicked ? Kind::Panic : Kind::CrashLoaded;
  request({kind, ResetCause::Other, 0});
}

void Machine::set_a20(bool on) {
  if (memory_.a20() == on) return;
  memory_.set_a20(on);
  cpu_->mmu.flush_all();
  cpu_->attention = true;
}

}  // namespace doppel::frontend
