"""What is hoped for, and which workloads a figure is the geometric mean of."""


class Class:
    def __init__(self, name, bits, workloads, at_most, at_least):
        self.name = name
        self.bits = bits
        self.workloads = workloads
        self.at_most = at_most    # doppel : native
        self.at_least = at_least  # TCG : doppel


_INT = ["intmix", "sha256", "lz", "interp", "fib", "hashq"]
_MEM = ["chase", "plainmem", "repmovb", "repmovd"]
_SYS = ["syscall", "forkexec", "mmap", "pipe"]
_JIT = ["jitcold", "jitgen", "jitsmc"]

CLASSES = [
    Class("int", "64", _INT, 2.0, 3.0),
    Class("fp", "64", ["nbody", "mandel", "lu", "simd"], 1.5, 12.0),
    Class("mem", "64", _MEM, 2.0, 5.0),
    Class("sys", "64", _SYS, 6.0, 2.5),
    Class("jit", "64", _JIT, 25.0, 4.0),
    Class("int", "32", _INT, 2.0, 3.0),
    Class("x87", "32", ["nbody", "mandel", "lu"], 2.0, 50.0),
    Class("mem", "32", _MEM, 2.0, 5.0),
    Class("sys", "32", _SYS, 6.0, 2.5),
    Class("jit", "32", _JIT, 25.0, 4.0),
]

ALIASES = ["aliasmem", "aliasnear", "aliasfar"]  # Each against copymem.
ALIAS_AT_MOST = 2.0
BOOT_AT_LEAST = 2.5           # TCG : doppel, amd64
BOOT_DISK_AT_LEAST = 1.5      # TCG : doppel, wall and CPU
TRANSLATION_NS_AT_MOST = 250  # A guest instruction that runs once
START_MS_AT_MOST = 10
EXTRA_MIB_AT_MOST = 64        # Resident beyond what the guest touched
