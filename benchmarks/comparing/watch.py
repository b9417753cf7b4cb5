"""Runs a program, and notes for each line it prints how much processor time it had used by then."""

import os
import select
import subprocess
import time


def _cpu_seconds(pid):
    """Of all threads of the process, those that ended included.

    The clock of another process has the number that clock_getcpuclockid(3) gives.
    """
    return time.clock_gettime((~pid << 3) | 2)


def _memory_kib(pid):
    """(peak, now) of the resident set."""
    found = {}
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            name, _, value = line.partition(":")
            if name in ("VmHWM", "VmRSS"):
                found[name] = int(value.split()[0])
    return found.get("VmHWM", 0), found.get("VmRSS", 0)


class Run:
    """What one run of a program showed."""

    def __init__(self):
        self.lines = []  # (wall seconds, CPU seconds, text)
        self.wall = self.cpu = 0.0
        self.status = None
        self.timed_out = False
        self.reached = False  # The text that the run was to end with has come.
        self.errors = ""
        self.memory_at = {}  # What was asked for: (peak, now) in KiB when a line with it came.


def watch(command, timeout, memory_at=(), until=None):
    """Runs `command` to its end, to a line with the text `until`, or for `timeout` seconds. Its standard
    input is empty.
    """
    run = Run()
    started = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, bufsize=0)
    output, errors = process.stdout.fileno(), process.stderr.fileno()
    open_files, rest, complaints = {output, errors}, b"", b""
    try:
        while open_files and not run.reached:
            left = timeout - (time.monotonic() - started)
            if left <= 0:
                run.timed_out = True
                break
            for file in select.select(list(open_files), [], [], left)[0]:
                data = os.read(file, 65536)
                now = time.monotonic() - started
                if not data:
                    open_files.discard(file)
                elif file == errors:
                    complaints = (complaints + data)[-4000:]
                else:
                    *whole, rest = (rest + data).split(b"\n")
                    cpu = _cpu_seconds(process.pid) if whole else 0
                    for line in whole:
                        text = line.decode("latin1").strip()
                        run.lines.append((now, cpu, text))
                        run.reached = run.reached or (until is not None and until in text)
                        for asked in memory_at:
                            if asked in text:
                                run.memory_at[asked] = _memory_kib(process.pid)
    finally:
        if open_files:
            process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        process.stderr.close()
    run.wall = time.monotonic() - started
    run.cpu = usage.ru_utime + usage.ru_stime
    run.status = process.returncode
    run.errors = complaints.decode("latin1").strip()
    return run
