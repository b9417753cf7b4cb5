#pragma once

// Finds out what a file is, and makes the plan to boot it.

#include <string>

#include "frontend/loaders/boot_plan.h"
#include "frontend/options.h"

namespace doppel::frontend::loaders {

/// Kinds of images, in the order in which they are looked for:
///
/// 1. Linux (HdrS or the shape of a zImage): a kernel with an EFI or multiboot header is still
/// Linux.
/// 2. Multiboot 1, then multiboot 2: an image with both expects what QEMU gives it.
/// 3. ELF with a PVH note, then plain ELF.
/// 4. A boot sector: 55 AA at its end.
///
/// @errors "NAME: reason"
Result<BootPlan, Error> plan_kernel(const KernelFiles& files, const BootContext& context,
                                    Options::LinuxEntry entry);

/// Reads the files that the options name. Modules of multiboot images have arguments.
Result<KernelFiles, Error> read_kernel_files(const Options& options);

/// What -device loader adds to a plan: bytes in place, and perhaps where to start.
Result<void, Error> add_loaded_files(const Options& options, const BootContext& context,
                                     BootPlan& plan);

/// The firmware image of -bios (looked for in -L and the usual places), or the default one.
Result<std::vector<u8>, Error> read_firmware(const Options& options);
/// The display adapter's ROM.
Result<std::vector<u8>, Error> read_vga_rom(const Options& options);

/// The expansion ROM of a network card: the named file, or the model's own if one is installed.
Result<std::vector<u8>, Error> read_nic_rom(const Options& options, const NicOptions& nic);

/// Whether a file begins as something that `plan_kernel` starts, and not as a disk.
bool is_kernel_file(const std::string& path);

}  // namespace doppel::frontend::loaders
