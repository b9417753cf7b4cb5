#include "frontend/loaders/loader.h"

#include <algorithm>

#include "frontend/file.h"
#include "frontend/loaders/elf_image.h"
#include "frontend/loaders/flat.h"
#include "frontend/loaders/linux.h"
#include "frontend/loaders/multiboot.h"

namespace doppel::frontend::loaders {
namespace {

constexpr u64 kSmallestFirmware = 64 << 10;
constexpr u64 kLargestFirmware = 16 << 20;
constexpr const char* kFirmwareDirectories[] = {"/usr/share/seabios", "/usr/share/qemu",
                                                "/usr/lib/ipxe/qemu"};
constexpr const char* kDefaultFirmware[] = {"bios-256k.bin", "bios.bin"};
constexpr const char* kVgaRom = "vgabios-stdvga.bin";
constexpr u64 kLargestOptionRom = 256 << 10;

Error with_name(const std::string& name, const Error& error) {
  return Error{name + ": " + error.message};
}

/// Where a file of firmware is: in the directories of -L, or the usual ones. Empty: nowhere.
std::string find_firmware(const Options& options, const std::string& name) {
  std::vector<std::string> directories = options.firmware_directories;
  directories.insert(directories.end(), std::begin(kFirmwareDirectories),
                     std::end(kFirmwareDirectories));
  for (const std::string& directory : directories) {
    if (file_exists(directory + "/" + name)) return directory + "/" + name;
  }
  return {};
}

Result<BootPlan, Error> plan_unnamed(const KernelFiles& files, const BootContext& context,
                                     Options::LinuxEntry entry) {
  const std::vector<u8>& image = files.image;
  if (image.empty()) return Error{"is empty"};
  if (is_linux(image)) return plan_linux(files, context, entry);
  if (is_multiboot1(image)) return plan_multiboot1(files, context);
  if (is_multiboot2(image)) return plan_multiboot2(files, context);
  if (is_elf(image)) return plan_elf(files, context);
  if (is_boot_sector(image)) return plan_boot_sector(files, context);
  return Error{"is no Linux kernel, multiboot, PVH or ELF image, and no boot sector"};
}

/// Adds the pieces of one file, and perhaps where to start. @errors a reason without the file's name
Result<void, Error> add_loaded_file(const Options::LoadedFile& file, const Options& options,
                                    const BootContext& context, std::vector<u8> bytes,
                                    BootPlan& plan) {
  bool starts = file.starts;
  u64 entry = file.address.value_or(0);
  if (file.address) {
    starts = starts || (plan.entry.mode == Entry::Mode::Reset && options.firmware.empty());
    plan.pieces.push_back({PhysAddr(*file.address), std::move(bytes)});
  } else {
    // Without an address the file must know its own.
    const auto elf = parse_elf(bytes);
    if (!elf.ok()) return Error{elf.error().message + " (addr=ADDRESS places other files)"};
    DOPPEL_TRY(std::vector<Piece> pieces, elf_pieces(elf.value(), bytes, context.memory));
    for (Piece& piece : pieces) plan.pieces.push_back(std::move(piece));
    starts = starts || plan.entry.mode == Entry::Mode::Reset;
    entry = elf.value().physical_of(elf.value().entry).value_or(elf.value().entry);
  }
  if (starts) {
    plan.entry = entry_at(entry);
    plan.kind = "loader";
  }
  return check_plan(plan, context.memory);
}

}  // namespace

Result<BootPlan, Error> plan_kernel(const KernelFiles& files, const BootContext& context,
                                    Options::LinuxEntry entry) {
  auto plan = plan_unnamed(files, context, entry);
  if (!plan.ok()) return with_name(files.name, plan.error());
  const auto checked = check_plan(plan.value(), context.memory);
  if (!checked.ok()) return with_name(files.name, checked.error());
  return plan;
}

Result<KernelFiles, Error> read_kernel_files(const Options& options) {
  KernelFiles files;
  files.name = options.kernel;
  files.append = options.append;
  DOPPEL_TRY(files.image, read_file(options.kernel));
  // Multiboot modules carry arguments behind the file's name.
  const bool with_arguments = !is_linux(files.image);
  for (const std::string& text : options.initrd) {
    Module module;
    module.name = with_arguments ? text.substr(0, text.find(' ')) : text;
    module.arguments = text;
    DOPPEL_TRY(module.bytes, read_file(module.name));
    files.modules.push_back(std::move(module));
  }
  return files;
}

Result<void, Error> add_loaded_files(const Options& options, const BootContext& context,
                                     BootPlan& plan) {
  for (const Options::LoadedFile& file : options.loaded_files) {
    DOPPEL_TRY(std::vector<u8> bytes, read_file(file.path));
    const auto added = add_loaded_file(file, options, context, std::move(bytes), plan);
    if (!added.ok()) return with_name(file.path, added.error());
  }
  if (plan.kind != "loader" || plan.entry.mode != Entry::Mode::Protected32) return {};
  plan.pieces.push_back(gdt_piece(plan.entry.mode));
  const auto checked = check_plan(plan, context.memory);
  return checked.ok() ? checked : Result<void, Error>(with_name("-device loader", checked.error()));
}

Result<std::vector<u8>, Error> read_firmware(const Options& options) {
  std::string path = options.firmware;
  if (path.empty()) {
    for (const char* const name : kDefaultFirmware) {
      if (path.empty()) path = find_firmware(options, name);
    }
    if (path.empty())
      return Error{"-kernel: nothing to start, and no firmware is installed (package seabios)"};
  } else if (path.find('/') == std::string::npos && !file_exists(path)) {
    if (const std::string found = find_firmware(options, path); !found.empty()) path = found;
  }
  DOPPEL_TRY(std::vector<u8> bytes, read_file(path, kLargestFirmware));
  if (bytes.size() < kSmallestFirmware || bytes.size() % kSmallestFirmware != 0) {
    return Error{path + ": is no firmware: its size is no multiple of 64 KiB"};
  }
  return bytes;
}

Result<std::vector<u8>, Error> read_vga_rom(const Options& options) {
  const std::string path = find_firmware(options, kVgaRom);
  if (path.empty())
    return Error{"-vga: no " + std::string(kVgaRom) + " is installed (package seabios; -vga none does without)"};
  return read_file(path, kLargestOptionRom);
}

Result<std::vector<u8>, Error> read_nic_rom(const Options& options, const NicOptions& nic) {
  const bool is_named = nic.rom_file.has_value();
  if (is_named && nic.rom_file->empty()) return std::vector<u8>();
  std::string path = is_named ? *nic.rom_file : "pxe-" + nic.model + ".rom";
  if (path.find('/') == std::string::npos && (!is_named || !file_exists(path))) {
    const std::string found = find_firmware(options, path);
    if (found.empty() && !is_named) return std::vector<u8>();
    if (!found.empty()) path = found;
  }
  return read_file(path, kLargestOptionRom);
}

bool is_kernel_file(const std::string& path) {
  // Multiboot 2 headers lie in the first 32 KiB; an ELF image is known by its beginning.
  constexpr u64 kBeginning = 64 << 10;
  const auto beginning = read_beginning(path, kBeginning);
  if (!beginning.ok()) return false;
  const std::vector<u8>& bytes = beginning.value();
  if (is_linux(bytes) || is_elf(bytes)) return true;
  // A disk may carry such a header somewhere behind its boot sector.
  return !is_boot_sector(bytes) && (is_multiboot1(bytes) || is_multiboot2(bytes));
}

}  // namespace doppel::frontend::loaders
