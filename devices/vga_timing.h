#pragma once

// Where the beam is, from virtual time and the CRT controller's counters.
//
// Nothing counts: time modulo the length of a frame gives the line, the rest of it the character.
// Programs that wait for the retrace therefore wait in virtual time.

#include "cpu/base/types.h"

namespace doppel::devices {

struct VgaTiming {
  u64 frame_ns = 16'666'667;
  unsigned lines = 1;  ///< A frame's, visible and not; never zero.
  unsigned visible_lines = 1;
  unsigned retrace_first = 0;
  unsigned retrace_end = 1;
  unsigned characters = 1;  ///< A line's; never zero.
  unsigned visible_characters = 1;

  struct Beam {
    bool visible = false;  ///< Display enable.
    bool retrace = false;  ///< Vertical retrace.
  };
  Beam beam(u64 now_ns) const {
    const u64 position = now_ns % frame_ns * lines;
    const u64 line = position / frame_ns;
    const u64 character = position % frame_ns * characters / frame_ns;
    return {.visible = line < visible_lines && character < visible_characters,
            .retrace = line >= retrace_first && line < retrace_end};
  }
  u64 frame_number(u64 now_ns) const { return now_ns / frame_ns; }
};

}  // namespace doppel::devices
