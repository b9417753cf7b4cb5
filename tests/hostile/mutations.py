"""Damage, drawn from a seeded generator: the same seed gives the same bytes."""

import struct

PORTS = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x72, 0x73,
         0x80, 0x92, 0xb2, 0xb3, 0x2f8, 0x2f9, 0x2fa, 0x2fb, 0x2fc, 0x2fd, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe,
         0xcf8, 0xcf9, 0xcfc, 0xcfd, 0xcfe, 0xcff, 0x510, 0x511, 0x514, 0x518, 0x600, 0x602, 0x604, 0x608, 0x620,
         0x8900, 0xb004]
WINDOWS = [(0xfec00000, 0x20), (0xfed00000, 0x200), (0xfee00000, 0x400)]  # I/O APIC, HPET, local APIC


def extreme(rng, size, length):
    """A value that arithmetic on sizes and addresses tends to get wrong."""
    top = 1 << (8 * size)
    value = rng.choice([0, 1, 2, -1, -2, top // 2 - 1, top // 2, top // 2 + 1, length - 1, length, length + 1, -length,
                        0x7fffffff, 0x80000000, 0xffffffff, 0xfffff000, 0xa0000, 0x9fc00, 0x100000, 0xfee00000,
                        0x8000, 0x10000, 1 << 32, 1 << 40, 1 << 47, rng.randrange(top), rng.randrange(64) * 4096])
    return value % top


def write_field(rng, data, fields):
    if not fields:
        return
    at, size = rng.choice(fields)
    if at + size > len(data):
        return
    data[at:at + size] = extreme(rng, size, len(data)).to_bytes(size, "little")


def flip_bits(rng, data, fields):
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(data))
        if fields and rng.random() < 0.7:
            first, size = rng.choice(fields)
            at = min(first + rng.randrange(size), len(data) - 1)
        data[at] ^= 1 << rng.randrange(8)


def truncate(rng, data, fields):
    end = rng.randrange(len(data))
    if fields and rng.random() < 0.5:
        end = min(rng.choice(fields)[0] + rng.randrange(3), len(data))
    del data[end:]


def extend(rng, data, _fields):
    data.extend(rng.choice([bytes, rng.randbytes])(rng.choice([1, 15, 511, 512, 4096, 70000])))


def repeat(rng, data, _fields):
    """A piece of the file copied over another place of it: overlapping and doubled structures."""
    size = rng.choice([4, 8, 16, 32, 56, 64])
    source = rng.randrange(len(data))
    target = rng.randrange(len(data))
    data[target:target + size] = data[source:source + size]


def remove(rng, data, _fields):
    at = rng.randrange(len(data))
    del data[at:at + rng.choice([1, 2, 4, 8, 512])]


def splice(rng, data, other):
    """The head of one file and the tail of another, or a piece of another in the middle."""
    at = rng.randrange(len(data))
    if rng.random() < 0.5:
        data[at:] = other[min(at, len(other)):]
    else:
        size = rng.randrange(1, 256)
        source = rng.randrange(max(len(other), 1))
        data[at:at + size] = other[source:source + size]


ACTIONS = [write_field] * 8 + [flip_bits] * 3 + [truncate, extend, repeat, remove]


def mutate(rng, original, others=()):
    """Damaged bytes of `original`; about half of the time with checksums that are right."""
    data = bytearray(original.data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 5])):
        if not data:
            break
        if others and rng.random() < 0.06:
            splice(rng, data, rng.choice(others).data)
        else:
            rng.choice(ACTIONS)(rng, data, original.fields)
    if original.repair and rng.random() < 0.7:
        original.repair(data)
    return bytes(data)


# ---- option strings --------------------------------------------------------------------------------

WORDS = ["", "0", "1", "-1", "4", "0x", "0xffffffffffffffff", "18446744073709551616", "1e300", "nan", "inf", "0.5", "4G", "4M",
         "999999999999G", "-1M", "on", "off", "help", "?", "=", ",", ",,", "@", "a@b", "x@1s", "..", "0..0", "5+", "1..0xffffffffffffffff",
         "size=", "shift=", "shift=11", "shift=-1", "base=2024-02-30", "base=1969-12-31", "base=9999-12-31T23:59:59",
         "base=2024-01-01T24:00:00", "name=", "id=", "iobase=0xffff", "iobase=0x10000", "iosize=3", "addr=-1", "null", "none",
         "qemu64", "max", "486", "max,+nothing", "max,-fpu", "max,-lm", "486,+lm", "tcg", "pc,accel=tcg", "q35,,", "chardev:x", "file:",
         "name=opt/x,string=y", "isa-debug-exit,iobase=0x60", "isa-debugcon,iobase=0x3f8", "loader,file=none,addr=0",
         "isa-debugcon,chardev=", "null,id=x,path=y", "\x7f\x01\x1b[2J", "\u00e9\U0001f600", "A" * 300, "%s%n%d", "\\", "'"]
OPTIONS = ["m", "cpu", "smp", "machine", "accel", "initrd", "append", "linux-entry", "fw_cfg", "serial", "chardev", "debugcon", "device", "global",
           "display", "vga", "net", "monitor", "icount", "rtc", "d", "dfilter", "engine", "seed", "timeout-virtual", "exit-style",
           "nographic", "nodefaults", "no-reboot", "no-shutdown", "version", "help", "name", "bios", "L", "state-load", "state-dir", "loadvm", "replay",
           "kernel", "", "-", "M", "S=", "unknown"]


def option_words(rng):
    """Command line words: an option with a value that is wrong, odd or nearly right, a few times."""
    words = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        value = rng.choice(WORDS)
        if rng.random() < 0.4:
            value += rng.choice([",", "=", "", "+", "-"]) + rng.choice(WORDS)
        if value and rng.random() < 0.3:
            at = rng.randrange(len(value))
            value = value[:at] + chr(rng.randrange(1, 256)) + value[at + 1:]
        # Whatever it becomes, it names no file outside of the case's directory.
        value = value.replace("/", "_").replace("\n", "_").replace("\r", "_")
        name = rng.choice(["-", "--"]) + rng.choice(OPTIONS)
        if rng.random() < 0.3:
            words.append(name + "=" + value)
        else:
            words += [name, value] if rng.random() < 0.9 else [name]
    return words


# ---- guests that mean harm -------------------------------------------------------------------------

def pokes(rng):
    """32-bit code that writes and reads registers of chips at random, then waits for interrupts."""
    code = bytearray()
    for _ in range(rng.choice([20, 100, 400])):
        value = extreme(rng, 4, rng.randrange(256))
        if rng.random() < 0.7:
            code += b"\xba" + struct.pack("<I", rng.choice(PORTS) if rng.random() < 0.95 else rng.randrange(65536))
            code += b"\xb8" + struct.pack("<I", value)
            code += rng.choice([b"\xee", b"\xee", b"\x66\xef", b"\xef", b"\xec", b"\x66\xed", b"\xed"])
        else:
            base, size = rng.choice(WINDOWS)
            address = base + (rng.randrange(size) & ~3 if rng.random() < 0.8 else rng.randrange(0x1000))
            code += b"\xb8" + struct.pack("<I", value)
            code += rng.choice([b"\xa3", b"\xa3", b"\xa2", b"\xa1", b"\x66\xa3"]) + struct.pack("<I", address)
    return bytes(code) + rng.choice([b"\xf4\xeb\xfd", b"\xfb\xf4\xeb\xfd"])


def noise(rng):
    """Bytes as instructions, half of them at random, half from what is rare in ordinary code."""
    rare = [b"\x0f", b"\x66", b"\x67", b"\xf2", b"\xf3", b"\xc4\xe2", b"\xc5\xf8", b"\x62", b"\xd9", b"\xdb", b"\xdd", b"\xdf",
            b"\x0f\xae", b"\x0f\xc7", b"\x0f\x01", b"\x0f\x22", b"\x0f\x20", b"\x0f\x23", b"\x0f\x38", b"\x0f\x3a", b"\xcf", b"\x9d", b"\x8e"]
    code = bytearray()
    while len(code) < 2048:
        code += rng.choice(rare) if rng.random() < 0.3 else rng.randbytes(rng.randrange(1, 6))
    return bytes(code)
