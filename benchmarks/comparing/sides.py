"""The three that do the same work: the host, QEMU's translator, doppel. How each is started, and what
its console says."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile

from comparing.watch import watch

FIRST_LINE = "INIT-FIRST-LINE"
LAST_LINE = "INIT-LAST-LINE"
COMMAND_LINE = "console=ttyS0 panic=-1"
MACHINE = ["-m", "256", "-nodefaults", "-display", "none", "-no-reboot"]
QEMU = {"64": "qemu-system-x86_64", "32": "qemu-system-i386"}


class Missing(Exception):
    """Something that a measurement needs is not there; the sentence says what."""


class Guest:
    """What one word size runs: the program, and a kernel and an initramfs around it."""

    def __init__(self, root, bits):
        made = subprocess.run([os.path.join(root, "benchmarks", "guest", "build"), bits],
                              stdout=subprocess.PIPE, text=True)
        if made.returncode != 0:
            raise Missing(f"the {bits}-bit guest could not be built")
        self.program, self.kernel, self.initramfs = made.stdout.split()


class Native:
    name = "native"

    def run(self, guest, bits, workloads, percent, timeout):
        return watch([guest.program, "-m", "-s", str(percent), *workloads], timeout)


class Machine:
    """What Tcg and Doppel have in common: a guest boots in them."""

    def run(self, guest, bits, workloads, percent, timeout):
        return _boot(self.command(bits), guest, workloads, percent, timeout)


class Tcg(Machine):
    name = "TCG"

    def command(self, bits):
        return [QEMU[bits], "-accel", "tcg,thread=single", "-cpu", "max"]

    def check(self, all_bits):
        for bits in all_bits:
            if not shutil.which(QEMU[bits]):
                raise Missing(f"needs {QEMU[bits]} (package qemu-system-x86; benchmarks/setup installs it)")

    def version(self):
        text = subprocess.run([QEMU["64"], "--version"], stdout=subprocess.PIPE, text=True).stdout
        return text.splitlines()[0] if text else "?"


class Doppel(Machine):
    name = "doppel"

    def __init__(self, path, arguments):
        self.path = path
        self.arguments = shlex.split(arguments)

    def command(self, bits):
        return [self.path, *self.arguments]

    def check(self, all_bits):
        if not os.access(self.path, os.X_OK):
            raise Missing(f"{self.path} is not built; ./run builds it")

    def version(self):
        text = subprocess.run([self.path, "--version"], stdout=subprocess.PIPE, text=True).stdout
        return " ".join([text.strip(), *self.arguments])

    def touched_kib(self, guest, bits, timeout):
        """Boots and switches off; (the run, KiB of guest memory in use then, by doppel's report)."""
        with tempfile.TemporaryDirectory() as work:
            report = os.path.join(work, "report.json")
            run = _boot([*self.command(bits), "--report", report], guest, [], 100, timeout)
            try:
                with open(report) as file:
                    return run, json.load(file)["memory"]["resident"] // 1024
            except (OSError, ValueError, KeyError):
                return run, None


def _boot(command, guest, workloads, percent, timeout):
    append = COMMAND_LINE
    if workloads:
        append += f" workloads.run={','.join(workloads)} workloads.scale={percent}"
    return watch([*command, *MACHINE, "-serial", "stdio", "-kernel", guest.kernel,
                  "-initrd", guest.initramfs, "-append", append], timeout, memory_at=(FIRST_LINE,))


def start_command(side, firmware):
    """Starts a machine whose firmware ends it with its second instruction."""
    return [*side.command("64"), *MACHINE, "-bios", firmware,
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]


START_STATUS = 1  # isa-debug-exit's for a zero.


def write_start_firmware(path):
    """64 KiB; at the reset vector: mov al, 0; out 0xf4, al; hlt."""
    image = bytearray(b"\xf4" * 65536)
    image[0xFFF0:0xFFF5] = b"\xb0\x00\xe6\xf4\xf4"
    with open(path, "wb") as file:
        file.write(image)


def console(run):
    """The workloads' samples and the boot's, read from what the machine printed.

    The kernel's own messages may stand before ours in a line.
    """
    samples, began, boot = {}, {}, None
    for wall, cpu, text in run.lines:
        ours = re.search(r"(BEGIN|END|RESULT) .*", text)
        words = ours[0].split() if ours else []
        if FIRST_LINE in text and boot is None:
            peak, now = run.memory_at.get(FIRST_LINE, (0, 0))
            boot = {"cpu_s": cpu, "wall_s": wall, "peak_kib": peak, "resident_kib": now}
        elif len(words) == 2 and words[0] == "BEGIN":
            began[words[1]] = (wall, cpu)
        elif len(words) == 2 and words[0] == "END" and words[1] in began:
            samples[words[1]] = {"cpu_s": cpu - began[words[1]][1], "wall_s": wall - began[words[1]][0]}
        elif len(words) == 6 and words[0] == "RESULT" and words[1] in samples:
            samples[words[1]].update(checksum=words[2], own_wall_s=float(words[3]),
                                     own_cpu_s=float(words[4]), operations=int(words[5]))
    # A last line cut off, or an END without its RESULT, is no sample.
    return {name: s for name, s in samples.items() if "checksum" in s}, boot
