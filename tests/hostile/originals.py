"""Small valid inputs, built byte by byte: the smallest kernel of each kind that doppel starts.

Every original says which of its bytes are fields (`fields`: offset, size), so that mutations hit
what loaders read and not only what they copy.
"""

import struct
from dataclasses import dataclass, field

# A character to COM1, then the end: HLT for ever.
CODE16 = bytes.fromhex("baf803 b06b ee f4 ebfd")
CODE32 = bytes.fromhex("66baf803 b06b ee f4 ebfd")  # 64-bit code reads the same.


@dataclass
class Original:
    """Bytes of a valid file, and how to damage it so that it stays interesting."""
    data: bytes
    fields: list = field(default_factory=list)
    repair: object = None  # Makes checksums right again: bytearray -> None.


def fields_of(layout, at=0):
    """(offset, size) of each field of a struct layout such as '<HHIQ'."""
    found = []
    for letter in layout.lstrip("<"):
        size = struct.calcsize("<" + letter)
        found.append((at, size))
        at += size
    return found


def put(data, at, layout, *values):
    struct.pack_into("<" + layout, data, at, *values)


# ---- Linux -----------------------------------------------------------------------------------------

LINUX_FIELDS = [(0x1f1, 1), (0x1f4, 4), (0x1fa, 2), (0x1fe, 2), (0x201, 1), (0x202, 4), (0x206, 2), (0x211, 1),
                (0x214, 4), (0x218, 4), (0x21c, 4), (0x224, 2), (0x228, 4), (0x22c, 4), (0x230, 4), (0x234, 1),
                (0x236, 2), (0x238, 4), (0x258, 8), (0x260, 4)]


def linux(version=0x20f, load_flags=1, xload_flags=1):
    """All three entries: setup code at 512, 32-bit code at the payload's start, 64-bit code at +200h."""
    setup = bytearray(1024)
    payload = bytearray(4096)
    setup[0x1f1] = 1
    put(setup, 0x1f4, "I", len(payload) // 16)
    put(setup, 0x1fe, "H", 0xaa55)
    setup[0x200:0x202] = b"\xeb\x66"
    setup[0x202:0x206] = b"HdrS"
    put(setup, 0x206, "H", version)
    setup[0x211] = load_flags
    put(setup, 0x22c, "I", 0x7fffffff)
    put(setup, 0x230, "I", 0x1000)
    setup[0x234] = 1
    put(setup, 0x236, "H", xload_flags)
    put(setup, 0x238, "I", 255)
    put(setup, 0x258, "Q", 0x100000)
    put(setup, 0x260, "I", 0x2000)
    setup[0x268:0x268 + len(CODE16)] = CODE16
    payload[:len(CODE32)] = CODE32
    payload[0x200:0x200 + len(CODE32)] = CODE32
    return Original(bytes(setup + payload), LINUX_FIELDS)


# ---- ELF, PVH and multiboot ------------------------------------------------------------------------

EHDR = {32: "<HHIIIIIHHHHHH", 64: "<HHIQQQIHHHHHH"}
PHDR = {32: "<IIIIIIII", 64: "<IIQQQQQQ"}
SHDR = {32: "<IIIIIIIIII", 64: "<IIQQQQIIQQ"}
BASE = 0x100000
TEXT_AT = 0x200


def elf(bits, header=b"", note=b"", sections=False):
    """One segment; `header` (multiboot) stands in front of the code, a note at 180h."""
    ehdr, phdr, shdr = EHDR[bits], PHDR[bits], SHDR[bits]
    program_at = 16 + struct.calcsize(ehdr)
    program_size = struct.calcsize(phdr)
    code_at = TEXT_AT + (len(header) + 15) // 16 * 16
    text = header.ljust(code_at - TEXT_AT, b"\0") + CODE32 + bytes(64)
    section_at = (TEXT_AT + len(text) + 7) // 8 * 8
    names = b"\0.text\0.debug\0.strings\0"
    names_at = section_at + (4 * struct.calcsize(shdr) if sections else 0)
    segments = [(1, TEXT_AT, len(text), 0x2000, 0x1000)]
    if note:
        segments.append((4, 0x180, len(note), len(note), 4))

    data = bytearray(names_at + len(names))
    data[:16] = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    struct.pack_into(ehdr, data, 16, 2, 62 if bits == 64 else 3, 1, BASE + code_at - TEXT_AT, program_at,
                     section_at if sections else 0, 0, program_at, program_size, len(segments),
                     struct.calcsize(shdr), 4 if sections else 0, 3 if sections else 0)
    fields = fields_of(ehdr, 16) + [(0, 4), (4, 1), (5, 1)]
    for i, (kind, offset, size, memory, align) in enumerate(segments):
        at = program_at + i * program_size
        if bits == 64:
            struct.pack_into(phdr, data, at, kind, 7, offset, BASE, BASE, size, memory, align)
        else:
            struct.pack_into(phdr, data, at, kind, offset, BASE, BASE, size, memory, 7, align)
        fields += fields_of(phdr, at)
    if note:
        data[0x180:0x180 + len(note)] = note
        fields += [(0x180, 4), (0x184, 4), (0x188, 4), (0x190, 4)]
    if sections:
        rows = [(0,) * 10, (1, 1, 0, BASE, TEXT_AT, len(text), 0, 0, 16, 0),
                (7, 1, 0, 0, TEXT_AT, 32, 0, 0, 1, 0), (14, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)]
        for i, row in enumerate(rows):
            at = section_at + i * struct.calcsize(shdr)
            struct.pack_into(shdr, data, at, *row)
            fields += fields_of(shdr, at)
    data[TEXT_AT:TEXT_AT + len(text)] = text
    data[names_at:] = names
    return data, fields


def plain_elf(bits):
    return Original(*map_bytes(elf(bits)))


def pvh(bits):
    note = struct.pack("<III", 4, 4, 18) + b"Xen\0" + struct.pack("<I", BASE)
    return Original(*map_bytes(elf(bits, note=note)))


def map_bytes(built):
    return bytes(built[0]), built[1]


def repair_words(magic, words):
    """A repair for headers of `words` 32-bit words whose sum must be zero; the last one makes it so."""
    def repair(data):
        at = data.find(struct.pack("<I", magic))
        if at < 0 or at + words * 4 > len(data):
            return
        values = struct.unpack_from(f"<{words}I", data, at)
        struct.pack_into("<I", data, at + (words - 1) * 4, -sum(values[:-1]) & 0xffffffff)
    return repair


def multiboot1(raw):
    magic = 0x1badb002
    flags = 0x10003 if raw else 3
    header = struct.pack("<III", magic, flags, -(magic + flags) & 0xffffffff)
    # Address fields: header, load, end of load, end of bss, entry.
    header += struct.pack("<IIIII", BASE, BASE, 0, BASE + 0x3000, BASE + 32) if raw else bytes(20)
    repair = repair_words(magic, 3)
    if raw:
        return Original(header + CODE32 + bytes(64), fields_of("<IIIIIIII"), repair)
    data, fields = elf(32, header=header, sections=True)
    return Original(bytes(data), fields + fields_of("<III", TEXT_AT), repair)


def multiboot2(raw):
    magic = 0xe85250d6
    tags = struct.pack("<HHII", 1, 0, 12, 6) + bytes(4)
    if raw:
        tags += struct.pack("<HHIIIII", 2, 0, 24, BASE, BASE, 0, BASE + 0x3000)
        tags += struct.pack("<HHII", 3, 0, 12, BASE + 0x60) + bytes(4)
    tags += struct.pack("<HHI", 0, 0, 8)
    length = 16 + len(tags)
    header = struct.pack("<IIII", magic, 0, length, -(magic + length) & 0xffffffff) + tags
    fields = [(at, 2 if at % 8 == 0 else 4) for at in range(16, length, 4)] + fields_of("<IIII")
    repair = repair_words(magic, 4)
    if raw:
        return Original(header.ljust(0x60, b"\0") + CODE32 + bytes(64), fields, repair)
    data, elf_fields = elf(64, header=header, sections=True)
    return Original(bytes(data), elf_fields + [(TEXT_AT + at, size) for at, size in fields], repair)


# ---- raw bytes -------------------------------------------------------------------------------------

def boot_sector():
    return Original(CODE16.ljust(510, b"\0") + b"\x55\xaa", [(0, 2), (510, 2)])


def firmware():
    """64 KiB that start at F000:0000 after the reset vector's jump."""
    rom = bytearray(0x10000)
    rom[:len(CODE16)] = CODE16
    rom[0xfff0:0xfff5] = bytes.fromhex("ea 0000 00f0")
    return Original(bytes(rom), [(0xfff0, 1), (0xfff1, 2), (0xfff3, 2), (0, 2)])


def recording():
    return Original(b"doppel-input 1\n0 0 serial0 41\n2 128 keyboard 1c9c\n3 4000 serial1 0d0a\n3 4000 reset -\n"
                    b"5 6000 serial0 61626364\nend\n", [(0, 4), (12, 2), (15, 2), (27, 2)])


def kernels():
    """Every original that -kernel takes."""
    return {
        "linux": linux(), "linux32": linux(xload_flags=0), "linux-2.01": linux(version=0x201),
        "linux-low": linux(load_flags=0, xload_flags=0), "elf32": plain_elf(32), "elf64": plain_elf(64), "pvh32": pvh(32),
        "pvh64": pvh(64), "multiboot1": multiboot1(False), "multiboot1-raw": multiboot1(True),
        "multiboot2": multiboot2(False), "multiboot2-raw": multiboot2(True), "boot-sector": boot_sector(),
    }
