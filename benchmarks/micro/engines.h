#pragma once

#include <memory>
#include <string_view>

#include "cpu/base/result.h"
#include "cpu/cpu.h"
#include "cpu/engine.h"

namespace doppel::bench {

/// The engine of this name, as `--engine` has it; `cpu` must outlive it. @errors there is none.
Result<std::unique_ptr<cpu::Engine>, Error> make_engine(std::string_view name, cpu::Cpu& cpu);

}  // namespace doppel::bench
