#pragma once

#include "frontend/loaders/boot_plan.h"
#include "frontend/options.h"

namespace doppel::frontend::loaders {

/// Looks like a kernel for the Linux boot protocol: boot sector magic, and "HdrS" or an old zImage.
bool is_linux(const std::vector<u8>& image);
/// @errors a reason without the file's name
/// @source Linux, Documentation/arch/x86/boot.rst and zero-page.rst
Result<BootPlan, Error> plan_linux(const KernelFiles& files, const BootContext& context,
                                   Options::LinuxEntry entry);

/// A kernel for its entry in real mode, with everything where it belongs.
struct RealModeLinux {
  Piece setup;         ///< Entered 200h bytes behind its beginning.
  Piece command_line;  ///< The setup code's stack may reach up to here.
  Piece initrd;        ///< Without bytes if there is none.
  Piece payload;
};
/// Where firmware is to put these files. @errors a reason without the file's name
Result<RealModeLinux, Error> linux_under_firmware(const KernelFiles& files,
                                                  const MemoryMap& memory);

}  // namespace doppel::frontend::loaders
