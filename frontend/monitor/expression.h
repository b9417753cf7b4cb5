#pragma once

// The numbers that a person types at the monitor: "0x7c00", "$rsp + 8", "($cs_base | 0xff) * 2".
//
//     + -    * / %    & | ^    unary - + ~    ( )    'c'    $register
//
// From weak to strong: + - first, then & | ^, then * / %, as QEMU has it. All of it is 64 bits wide.

#include <string>
#include <string_view>

#include "cpu/base/result.h"
#include "frontend/machine.h"

namespace doppel::frontend {

/// @errors what cannot be understood, in a few words
Result<u64, Error> evaluate(Machine& machine, std::string_view text);

}  // namespace doppel::frontend
