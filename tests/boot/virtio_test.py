#!/usr/bin/env python3
"""Boots Debian's kernel with its virtio drivers: a disk, a console that is typed at, random numbers.

What comes from outside is recorded, and the replay must end in the same state. Afterwards the disk
must be sound by other people's programs.
"""

import hashlib
import json
import os
import subprocess
import sys

from cases import HERE, Failure, guest_image, main, output_of

TYPED = "what was typed"
SAVE_AT = "7.3s"  # While the disk is read, about halfway through the rounds.


def guest_files(work, kind, script):
    """Kernel and initial RAM disks with the modules and a session."""
    modules = guest_image("modules", kind)
    session = os.path.join(work, "session.cpio.gz")
    files = [os.path.join(HERE, "guest", script) + "=script/session.sh"]
    files += [os.path.join(modules, name) + "=script/" + name for name in sorted(os.listdir(modules))]
    guest_image("files", session, *files)
    initramfs = guest_image("initramfs", "amd64" if kind == "amd64" else "i386")
    return ["-kernel", guest_image("kernel", kind), "-initrd", initramfs + "," + session]


def run(options, work, label, arguments, typed=None):
    """One run to the end: (serial text, console text, report)."""
    serial = os.path.join(work, label + ".serial")
    report = os.path.join(work, label + ".json")
    command = [options.doppel, "-display", "none", "-nodefaults", "-no-reboot", "-m", "256", *arguments, "-serial", "file:" + serial,
               "-chardev", "stdio,id=terminal", "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=terminal",
               "-device", "virtio-rng-pci", "--timeout-virtual", "120s", "--timeout-host", "400s", "--report", report]
    done = subprocess.run(command, input=(typed or "").encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with open(serial, encoding="utf-8", errors="replace") as file:
        text = file.read().replace("\r", "")
    if done.returncode != 0:
        raise Failure(f"{label}: status {done.returncode}\n{' '.join(command)}\n{text[-3000:]}\n{done.stderr.decode('utf-8', 'replace')}")
    with open(report, encoding="utf-8") as file:
        return text, done.stdout.decode("utf-8", "replace").replace("\r", ""), json.load(file)


def must_say(text, lines):
    for line in lines:
        if line not in text.splitlines():
            raise Failure(f"'{line}' did not come:\n{text[-3000:]}")


def session(options, work):
    """All devices in one session, and again from the recording."""
    disk = os.path.join(work, "disk.qcow2")
    raw = os.path.join(work, "disk.raw")
    recording = os.path.join(work, "input")
    arguments = guest_files(work, options.kernel, "virtio.sh")
    arguments += ["-append", "console=ttyS0 panic=-1 quiet", "-drive", f"file={disk},if=virtio,serial=DISK-7"]
    sums = hashlib.md5("".join(f"{i}\n" for i in range(1, 400001)).encode()).hexdigest()
    expected = [f"{name}: {sums}" for name in ("numbers", "raw disk", "copy1", "copy3", "copy5", "copy6")]
    expected += ["serial: DISK-7", "random: 64 bytes of virtio_rng.0", f"console heard: {TYPED}", "virtio done"]

    output_of(["qemu-img", "create", "-q", "-f", "qcow2", disk, "128M"])
    text, console, first = run(options, work, "first", [*arguments, "--record", recording], TYPED + "\n")
    must_say(text, expected)
    must_say(console, ["hello from hvc0"])
    if not any(line.startswith("messages: ") and line != "messages: 0 vectors" for line in text.splitlines()):
        raise Failure(f"no interrupts by messages:\n{text[-3000:]}")
    output_of(["qemu-img", "check", "-q", disk])
    output_of(["qemu-img", "convert", "-O", "raw", disk, raw])
    output_of(["e2fsck", "-fn", raw])
    os.remove(raw)

    output_of(["qemu-img", "create", "-q", "-f", "qcow2", disk, "128M"])
    _, _, second = run(options, work, "second", [*arguments, "--replay", recording])
    if first["state_hash"] != second["state_hash"]:
        raise Failure(f"the replay ends in {second['state_hash']}, not {first['state_hash']}")
    print(f"{first['instructions']} instructions, {first['host_ms']} and {second['host_ms']} ms, state {first['state_hash']}")


def saved(options, work):
    """A machine that is saved while it reads its disk ends as the one that is loaded."""
    disk = os.path.join(work, "disk.raw")
    state = os.path.join(work, "state")
    contents = bytes((i * 7 + i // 4096) % 251 for i in range(8 << 20))
    with open(disk, "wb") as file:
        file.write(contents)
    arguments = guest_files(work, options.kernel, "virtio_reader.sh")
    arguments += ["-append", "console=ttyS0 panic=-1 quiet", "-drive", f"file={disk},if=virtio,format=raw,readonly=on"]
    expected = f"round 20: {hashlib.md5(contents).hexdigest()} "
    reports = []
    for label, more in (("saving", ["--state-save", f"{state}@{SAVE_AT}"]), ("loaded", ["--state-load", state])):
        text, _, report = run(options, work, label, [*arguments, *more])
        if expected not in text:
            raise Failure(f"{label}: '{expected}' did not come:\n{text[-3000:]}")
        reports.append(report)
    if "round 1:" in text:
        raise Failure(f"the machine was saved before it read:\n{text[-3000:]}")
    if reports[0]["state_hash"] != reports[1]["state_hash"]:
        raise Failure(f"the loaded machine ends in {reports[1]['state_hash']}, not {reports[0]['state_hash']}")
    os.remove(state)
    print(f"{reports[0]['virtual_ns'] / 1e9:.2f} s, {reports[0]['host_ms']} and {reports[1]['host_ms']} ms, state {reports[0]['state_hash']}")


CASES = {function.__name__: function for function in (session, saved)}


def run_case(options, work):
    CASES[options.case](options, work)


if __name__ == "__main__":
    sys.exit(main(CASES, run_case, kernel="amd64"))
