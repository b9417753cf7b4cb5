#!/usr/bin/env python3
"""Gives doppel damaged input and checks how it takes it.

Each case is a command with one damaged file, a command line that makes no sense, or a guest that
means harm. A case is right if doppel ends by itself, in time and in bounded memory, with a status of
docs/options.md that this command can have, and if a refusal (status 2) is one line on standard
error that names what is wrong. It is never ended by a signal, and a sanitizer never speaks.

The cases follow from the seed; --only repeats one of them. What fails stays in DIRECTORY/failed.
"""

import argparse
import collections
import ctypes
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

sys.dont_write_bytecode = True  # The source tree stays as it is.

import mutations  # noqa: E402
import originals  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

NAME = "damaged.bin"
RUN = ["-display", "none", "-monitor", "none", "-no-reboot", "-icount", "shift=4"]
VIRTUAL = "5ms"
HOST_SECONDS = 20
# What a machine of these sizes may take: its RAM a few times over, and doppel itself.
LIMIT_ADDRESSES = 2 << 30
LIMIT_RESIDENT = 600 << 20
LIMIT_RESIDENT_SANITIZED = 1500 << 20

STATUS_REFUSED = 2
STATUS_DIVERGED = 112
STATUS_VIRTUAL_LIMIT = 122
STATUS_HOST_LIMIT = 124
ENDINGS = {0, STATUS_REFUSED, 116, 120, STATUS_VIRTUAL_LIMIT, STATUS_HOST_LIMIT}


@dataclass
class Case:
    kind: str
    arguments: list
    files: dict = field(default_factory=dict)  # Name: bytes.
    names: tuple = (NAME,)                     # One of them stands in a refusal.
    statuses: set = field(default_factory=lambda: set(ENDINGS))
    options_only: bool = False                 # Notes may stand before a refusal.


class Sources:
    """The valid inputs. Some of them only doppel itself can make."""

    def __init__(self, doppel, work):
        self.doppel = doppel
        self.kernels = originals.kernels()
        self.firmware = originals.firmware()
        self.states = {}
        self.recordings = [originals.recording()]
        with tempfile.TemporaryDirectory(dir=work) as directory:
            self.check(directory)
            for kind in ("boot-sector", "elf64", "linux"):
                self.states[kind] = self.save_state(directory, kind)
            self.recordings.append(self.record(directory))
        self.debian = self.find_debian()

    def make(self, directory, arguments, name, stdin=b""):
        done = subprocess.run([self.doppel, *RUN, *arguments], cwd=directory, input=stdin,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
        path = os.path.join(directory, name)
        if not os.path.exists(path):
            sys.exit(f"mutate: doppel made no {name}: status {done.returncode}, {done.stderr.decode()}")
        with open(path, "rb") as file:
            return file.read()

    def check(self, directory):
        """A mutation of what is refused anyway would test nothing."""
        wrong = []
        for kind, original in {**self.kernels, "firmware": self.firmware}.items():
            with open(os.path.join(directory, "original"), "wb") as file:
                file.write(original.data)
            option = "-bios" if kind == "firmware" else "-kernel"
            done = subprocess.run([self.doppel, *RUN, "-m", "4", option, "original", "-serial", "stdio", "--timeout-virtual", VIRTUAL],
                                  cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
            if done.returncode != STATUS_VIRTUAL_LIMIT or done.stdout != b"k":
                wrong.append(f"{kind}: status {done.returncode}, {done.stdout!r}, {done.stderr.decode()}")
        if wrong:
            sys.exit("mutate: originals that doppel does not start:\n" + "\n".join(wrong))

    def save_state(self, directory, kind):
        with open(os.path.join(directory, "kernel"), "wb") as file:
            file.write(self.kernels[kind].data)
        data = self.make(directory, ["-m", "4", "-kernel", "kernel", "-serial", "null", "--timeout-virtual", "2ms",
                                     "--state-save", "state@1ms"], "state")
        # Half of the time sizes and names near both ends: there is the processor, there are the chips.
        places = list(range(12, 3000)) + list(range(max(len(data) - 6000, 3000), len(data) - 8))
        return originals.Original(data, [(at, 1 << at % 4) for at in places], sign_state)

    def record(self, directory):
        with open(os.path.join(directory, "kernel"), "wb") as file:
            file.write(originals.CODE16.ljust(510, b"\0") + b"\x55\xaa")
        data = self.make(directory, ["-m", "4", "-kernel", "kernel", "-serial", "stdio", "--timeout-virtual", "2s",
                                     "--record", "recording"], "recording", b"typed")
        return originals.Original(data, [(0, 4), (15, 4)])

    @staticmethod
    def find_debian():
        """Debian's kernel, if it was fetched already; nothing is fetched here."""
        path = os.path.join(os.environ.get("DOPPEL_CACHE", os.path.join(ROOT, ".cache")), "guest", "vmlinuz-amd64")
        if not os.path.exists(path):
            return None
        with open(path, "rb") as file:
            return originals.Original(file.read(), originals.LINUX_FIELDS)


def xxhash():
    for name in ("libxxhash.so.0", "libxxhash.so"):
        try:
            function = ctypes.CDLL(name).XXH3_64bits
        except OSError:
            continue
        function.restype = ctypes.c_uint64
        function.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        return function
    sys.exit("mutate: needs libxxhash (doppel is built with it)")


def sign_state(data, function=xxhash()):
    """A saved machine's checksum would otherwise stop all damage at the door."""
    if len(data) < 20:
        return
    body = bytes(data[:-8])
    data[-8:] = struct.pack("<Q", function(body, len(body)))


# ---- the kinds of cases ----------------------------------------------------------------------------

def kernel_case(sources, rng):
    kind = rng.choice(list(sources.kernels))
    arguments = ["-m", rng.choice(["1", "2", "4", "16"]), "-kernel", NAME, "-serial", "null"]
    if kind.startswith("linux"):
        arguments += ["--linux-entry", rng.choice(["auto", "auto", "16", "32", "64"])]
    if rng.random() < 0.3:
        arguments += ["-cpu", rng.choice(["486", "pentium3", "max"])]
    files = {NAME: mutations.mutate(rng, sources.kernels[kind], list(sources.kernels.values()))}
    if kind != "boot-sector" and rng.random() < 0.4:
        arguments += ["-append", "x" * rng.choice([0, 1, 255, 256, 2047, 70000]), "-initrd", "module.bin,module.bin"]
        files["module.bin"] = rng.randbytes(rng.choice([1, 511, 5000, 1 << 20, 3 << 20]))
    return Case("kernel " + kind, arguments, files)


def initrd_case(sources, rng):
    """The kernel is in order, what comes with it is not."""
    kind = rng.choice([name for name in sources.kernels if name != "boot-sector"])
    files = {"kernel": sources.kernels[kind].data}
    modules = [f"{NAME}"] * rng.choice([1, 2, 40])
    choice = rng.choice(["empty", "large", "bytes", "missing", "directory", "arguments"])
    if choice != "missing":
        files[NAME] = {"empty": b"", "large": bytes(5 << 20), "directory": None}.get(choice, rng.randbytes(777))
    if choice == "arguments":
        modules = [name + " " + "y" * rng.choice([0, 10, 20000, 60000]) for name in modules[:2]]
    return Case("initrd", ["-m", rng.choice(["2", "4"]), "-kernel", "kernel", "-serial", "null", "-initrd", ",".join(modules)],
                files, (NAME, "kernel"))


def debian_case(sources, rng):
    whole = sources.debian
    # A short file is as good: what is behind the header is only copied.
    original = originals.Original(whole.data if rng.random() < 0.2 else whole.data[:0x8000], whole.fields)
    return Case("debian", ["-m", rng.choice(["4", "64", "256"]), "-kernel", NAME, "-serial", "null", "--linux-entry",
                           rng.choice(["auto", "16", "32", "64"])], {NAME: mutations.mutate(rng, original)})


def firmware_case(sources, rng):
    return Case("bios", ["-m", "4", "-bios", rng.choice(["", "./"]) + NAME, "-serial", "null"],
                {NAME: mutations.mutate(rng, sources.firmware)})


def loader_case(sources, rng):
    original = rng.choice(list(sources.kernels.values()))
    place = "" if rng.random() < 0.5 else f",addr={mutations.extreme(rng, rng.choice([2, 4, 8]), 512):#x}"
    start = rng.choice(["", ",cpu-num=0"])
    return Case("loader", ["-m", "4", "-device", f"loader,file={NAME}{place}{start}", "-serial", "null"],
                {NAME: mutations.mutate(rng, original)})


def state_case(sources, rng):
    kind = rng.choice(list(sources.states))
    return Case("state", ["-m", "4", "-kernel", "kernel", "-serial", "null", "--state-load", NAME],
                {"kernel": sources.kernels[kind].data, NAME: mutations.mutate(rng, sources.states[kind])})


def recording_case(sources, rng):
    original = rng.choice(sources.recordings)
    data = bytearray(mutations.mutate(rng, original))
    for _ in range(rng.choice([0, 1, 2])):
        number = str(mutations.extreme(rng, 8, 5)).encode()
        words = bytes(data).split(b" ")
        words[rng.randrange(len(words))] = rng.choice([number, b"-" + number, b"", b"serial9", b"keyboard", b"zz", b"4" * 5000])
        data = bytearray(b" ".join(words))
    if rng.random() < 0.5 and not data.endswith(b"\nend\n"):
        data += b"\nend\n"
    return Case("recording", ["-m", "4", "-kernel", "kernel", "-serial", "null", "--replay", NAME],
                {"kernel": sources.kernels["boot-sector"].data, NAME: bytes(data)}, statuses=ENDINGS | {STATUS_DIVERGED})


def option_case(_sources, rng):
    words = mutations.option_words(rng)
    return Case("options", ["-kernel", "kernel", *words], {"kernel": originals.boot_sector().data},
                tuple(filter(None, [*words, "empty argument", *re.split("[-,= ]", " ".join(words))])), ENDINGS | {STATUS_DIVERGED}, options_only=True)


def poke_case(_sources, rng):
    return Case("pokes", ["-m", "4", "-device", f"loader,file={NAME},addr=0x100000,cpu-num=0", "-serial", "null",
                          "-debugcon", "null"], {NAME: mutations.pokes(rng)})


def noise_case(_sources, rng):
    address = rng.choice(["0x8000", "0x100000"])
    return Case("noise", ["-m", "4", "-device", f"loader,file={NAME},addr={address},cpu-num=0", "-serial", "null",
                          "-cpu", rng.choice(["486", "max", "max"])], {NAME: mutations.noise(rng)})


KINDS = [(kernel_case, 40), (initrd_case, 4), (debian_case, 6), (firmware_case, 5), (loader_case, 7), (state_case, 18),
         (recording_case, 8), (option_case, 14), (poke_case, 8), (noise_case, 6)]


def make_case(sources, seed, index):
    rng = random.Random(f"{seed}:{index}")
    kinds = [row for row in KINDS if row[0] is not debian_case or sources.debian]
    make = rng.choices([row[0] for row in kinds], [row[1] for row in kinds])[0]
    return make(sources, rng)


# ---- one case --------------------------------------------------------------------------------------

@dataclass
class Outcome:
    status: int
    errors: bytes
    resident: int
    seconds: float


class Runner:
    def __init__(self, doppel):
        self.doppel = doppel
        with open(doppel, "rb") as file:
            self.sanitized = b"__asan_init" in file.read()
        self.environment = {**os.environ, "ASAN_OPTIONS": "abort_on_error=1:allocator_may_return_null=0",
                            "UBSAN_OPTIONS": "abort_on_error=1:print_stacktrace=1", "LSAN_OPTIONS": "exitcode=4"}

    def command(self, case):
        host = 5 if case.options_only else HOST_SECONDS
        return [self.doppel, *RUN, "--timeout-virtual", VIRTUAL, "--timeout-host", f"{host}s", *case.arguments]

    def limits(self):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if not self.sanitized:  # Its shadow memory takes all addresses there are.
            resource.setrlimit(resource.RLIMIT_AS, (LIMIT_ADDRESSES, LIMIT_ADDRESSES))

    def run(self, case, directory):
        for name, data in case.files.items():
            path = os.path.join(directory, name)
            if data is None:
                os.mkdir(path)
                continue
            with open(path, "wb") as file:
                file.write(data)
        begin = time.monotonic()
        with open(os.path.join(directory, "stderr"), "wb") as errors:
            process = subprocess.Popen(self.command(case), cwd=directory, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=errors, env=self.environment, preexec_fn=self.limits)
        resident = self.wait(process, begin)
        with open(os.path.join(directory, "stderr"), "rb") as errors:
            text = errors.read(1 << 20)
        return Outcome(process.returncode, text, resident, time.monotonic() - begin)

    @staticmethod
    def wait(process, begin):
        """Sets the return code; the most memory it had."""
        pause = 0.001
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid != 0:
                process.returncode = os.waitstatus_to_exitcode(status)
                return usage.ru_maxrss * 1024
            if time.monotonic() - begin > 2 * HOST_SECONDS + 20:
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def fault_in(self, case, outcome):
        """What is wrong with how a case ended, or nothing."""
        text = outcome.errors.decode("utf-8", "replace")
        for word in ("AddressSanitizer", "runtime error:", "LeakSanitizer"):
            if word in text:
                return "a sanitizer found something"
        if outcome.seconds > 2 * HOST_SECONDS + 20:
            return "hangs: the limit of host time does not end it"
        if outcome.status < 0:
            return f"died of signal {signal.Signals(-outcome.status).name}"
        if outcome.status not in case.statuses:
            return f"status {outcome.status} is not one of {sorted(case.statuses)}"
        limit = LIMIT_RESIDENT_SANITIZED if self.sanitized else LIMIT_RESIDENT
        if outcome.resident > limit:
            return f"took {outcome.resident >> 20} MiB"
        return self.refusal_fault(case, text) if outcome.status == STATUS_REFUSED else None

    @staticmethod
    def refusal_fault(case, text):
        lines = text.splitlines()
        if not lines:
            return "a refusal without a word"
        if not all(line.startswith("doppel: ") for line in lines) or (len(lines) != 1 and not case.options_only):
            return "a refusal is more than one line of doppel's"
        if not any(name in lines[-1] for name in case.names):
            return "a refusal does not name what it refuses"
        if any(ord(letter) < 32 for letter in lines[-1]):
            return "a refusal carries control characters to the terminal"
        return None


def keep(case, directory, outcome, fault, command, to):
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(directory, to)
    with open(os.path.join(to, "case.txt"), "w", encoding="utf-8", errors="replace") as file:
        file.write(f"{case.kind}: {fault}\nstatus {outcome.status}, {outcome.seconds:.1f} s, {outcome.resident >> 20} MiB\n")
        file.write(f"{command!r}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--doppel", default=os.path.join(ROOT, "build", "release", "doppel"))
    parser.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "doppel-hostile"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="INDEX", help="one case, with what it said")
    parser.add_argument("--kind", default="", help="only the cases of one kind (kernel, bios, state, ...)")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    options.doppel = os.path.abspath(options.doppel)
    sources = Sources(options.doppel, options.work)
    runner = Runner(options.doppel)
    if not sources.debian:
        print("note: Debian's kernel is not in the cache (tools/guest-image kernel amd64): its cases are left out")

    endings = collections.Counter()
    slow, failures, begin = 0, 0, time.monotonic()
    indices = range(options.count) if options.only is None else [options.only]
    for index in indices:
        case = make_case(sources, options.seed, index)
        if not case.kind.startswith(options.kind):
            continue
        with tempfile.TemporaryDirectory(dir=options.work) as directory:
            outcome = runner.run(case, directory)
            fault = runner.fault_in(case, outcome)
            endings[case.kind.split()[0], outcome.status] += 1
            if outcome.status == STATUS_HOST_LIMIT and not case.options_only:
                slow += 1
                print(f"note: --only {index}: {case.kind}: ended by the limit of host time", flush=True)
            if fault:
                failures += 1
                place = os.path.join(options.work, "failed", f"{options.seed}-{index}")
                keep(case, directory, outcome, fault, runner.command(case), place)
                first = outcome.errors.decode("utf-8", "replace").strip().splitlines()[:3]
                print(f"--seed {options.seed} --only {index}: {case.kind}: {fault}", *first, f"  ({place})", sep="\n", flush=True)
        if options.only is not None:
            print(f"{case.kind}: status {outcome.status}, {outcome.seconds:.2f} s, {outcome.resident >> 20} MiB")
            print(*runner.command(case))
            sys.stdout.write(outcome.errors.decode("utf-8", "replace"))

    for (kind, status), count in sorted(endings.items()):
        print(f"{kind:10} status {status:4}: {count}")
    print(f"{sum(endings.values())} cases of seed {options.seed}: {failures} wrong, {slow} ended by the limit of host time, "
          f"{time.monotonic() - begin:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
