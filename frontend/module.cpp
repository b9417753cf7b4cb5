#include "frontend/module.h"

#include <filesystem>
#include <string>
#include <system_error>

#include <dlfcn.h>

namespace doppel::frontend {
namespace {

Error loader_error(std::string_view module) {
  const char* const reason = ::dlerror();
  return Error{"module " + std::string(module) + ": " + (reason != nullptr ? reason : "not loaded")};
}

}  // namespace

Result<void*, Error> find_in_module(std::string_view module, const char* function) {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Error{"module " + std::string(module) + ": " + error.message()};
  const std::string path =
      (program.parent_path() / ("doppel-" + std::string(module) + ".so")).string();
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return loader_error(module);
  void* const address = ::dlsym(handle, function);
  if (address == nullptr) return loader_error(module);
  return address;
}

}  // namespace doppel::frontend
