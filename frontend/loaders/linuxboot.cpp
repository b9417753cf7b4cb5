#include "frontend/loaders/linuxboot.h"

#include <numeric>
#include <span>
#include <string_view>

#include "devices/fw_cfg.h"
#include "frontend/loaders/linux.h"

// linuxboot_rom.S
extern "C" {
extern const doppel::u8 doppel_linuxboot_rom[];
extern const doppel::u8 doppel_linuxboot_rom_end[];
}

namespace doppel::frontend::loaders {
namespace {

using devices::FwCfg;

constexpr std::string_view kRomFile = "genroms/linuxboot.bin";
constexpr size_t kHeaderAt = 0x20;  // Plug and Play
constexpr size_t kHeaderBytes = 32;
constexpr size_t kHeaderSumAt = 9;

/// What makes the sum of all these bytes zero.
u8 missing_sum(std::span<const u8> bytes) {
  return static_cast<u8>(-std::accumulate(bytes.begin(), bytes.end(), 0u));
}

std::vector<u8> option_rom() {
  std::vector<u8> rom(doppel_linuxboot_rom, doppel_linuxboot_rom_end);
  rom[kHeaderAt + kHeaderSumAt] = missing_sum(std::span(rom).subspan(kHeaderAt, kHeaderBytes));
  rom.back() = missing_sum(rom);
  return rom;
}

std::vector<u8> text_bytes(std::string_view text) { return {text.begin(), text.end()}; }

std::vector<u8> number_bytes(u64 value) {
  std::vector<u8> bytes(4);
  for (u8& byte : bytes) {
    byte = static_cast<u8>(value);
    value >>= 8;
  }
  return bytes;
}

/// Which items a piece is told and read by.
struct ItemKeys {
  FwCfg::Key address;
  FwCfg::Key size;
  FwCfg::Key data;
};
constexpr ItemKeys kSetup{FwCfg::kSetupAddress, FwCfg::kSetupSize, FwCfg::kSetupData};
constexpr ItemKeys kCommandLine{FwCfg::kCommandLineAddress, FwCfg::kCommandLineSize,
                                FwCfg::kCommandLineData};
constexpr ItemKeys kInitrd{FwCfg::kInitrdAddress, FwCfg::kInitrdSize, FwCfg::kInitrdData};
constexpr ItemKeys kKernel{FwCfg::kKernelAddress, FwCfg::kKernelSize, FwCfg::kKernelData};

void add_piece(const ItemKeys& keys, Piece piece, devices::BoardConfig& board) {
  board.fw_cfg_numbered.push_back({keys.address, number_bytes(piece.address.value)});
  board.fw_cfg_numbered.push_back({keys.size, number_bytes(piece.bytes.size())});
  board.fw_cfg_numbered.push_back({keys.data, std::move(piece.bytes)});
}

}  // namespace

Result<void, Error> add_linuxboot(const KernelFiles& files, const MemoryMap& memory,
                                  devices::BoardConfig& board) {
  if (!is_linux(files.image)) return Error{files.name + ": is no Linux kernel, which firmware (-bios) could start"};
  auto parts = linux_under_firmware(files, memory);
  if (!parts.ok()) return Error{files.name + ": " + parts.error().message};
  add_piece(kSetup, std::move(parts->setup), board);
  add_piece(kCommandLine, std::move(parts->command_line), board);
  add_piece(kInitrd, std::move(parts->initrd), board);
  add_piece(kKernel, std::move(parts->payload), board);
  board.fw_cfg_items.push_back({std::string(kRomFile), option_rom()});
  board.fw_cfg_items.push_back(
      {"bootorder", text_bytes("/rom@" + std::string(kRomFile) + std::string(1, '\0'))});
  return {};
}

}  // namespace doppel::frontend::loaders
