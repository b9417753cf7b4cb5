#pragma once

// Modules: what few runs need and what would make every start slow.
//
// A library like SDL brings fifty others with it, and the dynamic loader takes longer over them than
// the guest takes to its first instruction. Code that uses such a library is therefore a shared
// object of its own beside the program, `doppel-NAME.so`, built from the same sources at the same
// time, which calls back into the program. It is loaded where a run asks for it, and stays.

#include <functional>
#include <string_view>

#include "cpu/base/result.h"

namespace doppel::frontend {

/// The address of an `extern "C"` function in a module ("sdl").
/// @errors what the dynamic loader says
Result<void*, Error> find_in_module(std::string_view module, const char* function);

/// The same with its type, which the module's header declares.
template <class Function>
Result<std::function<Function>, Error> find_in_module(std::string_view module,
                                                      const char* function) {
  DOPPEL_TRY(void* const address, find_in_module(module, function));
  return std::function<Function>(reinterpret_cast<Function*>(address));
}

}  // namespace doppel::frontend
