#pragma once

#include <csignal>

#include <ucontext.h>

#include "cpu/base/types.h"

namespace doppel::differential {

/// What the assembly around a signal needs; offsets are named in host_entry.cpp.
struct HostEntry {
  u64 frame;               // 0: rsp for rt_sigreturn
  u64 own_fs_base;         // 8: the C library's
  u64 own_gs_base;         // 16
  u64 fs_base;             // 24: to load, and as found afterwards
  u64 gs_base;             // 32
  u64 load_bases;          // 40: 64-bit code: selectors are null and bases count
  u16 ds, es, fs, gs;      // 48, 50, 52, 54
  u64 saved_rsp;           // 56
};

}  // namespace doppel::differential

extern "C" {
extern doppel::differential::HostEntry doppel_host_entry;
/// Loads data segments and leaves through rt_sigreturn; returns when a handler calls the next one.
void doppel_host_enter();
[[noreturn]] void doppel_host_leave();
/// The signal handler: saves segments, restores the C library's, calls doppel_host_caught.
void doppel_host_signal(int, siginfo_t*, void*);
void doppel_host_caught(int signal, siginfo_t* info, ucontext_t* context);
}
