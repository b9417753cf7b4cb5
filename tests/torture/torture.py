#!/usr/bin/env python3
"""Kills doppel while a guest writes, again and again, and looks at what is left of the disk.

The guest (guest.asm) does numbered work that follows from the numbers alone, and reports what must
be durable. After each kill the image must be sound for qemu-img, hold everything that was reported,
and hold no sector that nobody wrote. Then the next doppel goes on with the same image.

A killed process leaves what it wrote in the host's page cache. So this shows the order of writes and
what is kept too long in memory; what a power failure leaves is the business of the unit test
"power loss", which replays the same writes with syncs that count.
"""

import argparse
import os
import random
import shutil
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MAGIC = 0x4C505044
SPREAD = 0x9E3779B1
MASK = 0xFFFFFFFF
SECTOR = 512
AREA = 6144  # Sectors that the guest writes.
DISK_BYTES = 32 << 20
ZEROS = bytes(SECTOR)
FORMATS = ("raw", "qcow2", "backing")
CACHES = ("writeback", "writethrough", "none", "directsync", "unsafe")
CLUSTERS = (512, 4096, 65536)
CLEAN, LEAKED = 0, 3  # Statuses of qemu-img check.


class Failure(Exception):
    pass


def mix(value):
    value = value * SPREAD & MASK
    value ^= value >> 16
    value = value * 0x85EBCA6B & MASK
    value ^= value >> 13
    value = value * 0xC2B2AE35 & MASK
    return value ^ value >> 16


def work(number, trims):
    """What the guest does for a number: is it a discard, the first sector, and how many."""
    place = mix(number)
    manner = mix(place ^ 0x5BD1E995)
    is_trim = trims and (manner >> 4 & 15) >= 13
    count = (manner & 15) + 1
    return is_trim, place % (AREA - 64), count * 4 if is_trim else count


def contents(lba, number):
    return struct.pack("<3I", MAGIC, lba, number) + struct.pack("<I", number * SPREAD & MASK ^ lba) * 125


def backing_contents():
    return b"".join(struct.pack("<I", 0xBAC0 + lba) * 128 for lba in range(AREA // 2))


class Image:
    """A disk image and what may be on it: for each sector, a set of contents."""

    def __init__(self, folder, format_name, cluster, trims):
        self.path = os.path.join(folder, "disk." + ("raw" if format_name == "raw" else "qcow2"))
        self.is_qcow2 = format_name != "raw"
        self.trims = trims
        self.number = 0
        self.allowed = [{ZEROS} for _ in range(AREA)]
        if format_name == "raw":
            with open(self.path, "wb") as file:
                file.truncate(DISK_BYTES)
            return
        options = ["-o", f"cluster_size={cluster}"]
        if format_name == "backing":
            base = os.path.join(folder, "base.raw")
            text = backing_contents()
            with open(base, "wb") as file:
                file.write(text)
                file.truncate(DISK_BYTES)
            for lba in range(AREA // 2):
                self.allowed[lba] = {text[lba * SECTOR:(lba + 1) * SECTOR]}
            options += ["-b", base, "-F", "raw"]
        run(["qemu-img", "create", "-q", "-f", "qcow2", *options, self.path, str(DISK_BYTES)])

    def check(self):
        """True if clusters leaked; anything worse is a failure."""
        if not self.is_qcow2:
            return False
        done = subprocess.run(["qemu-img", "check", "-f", "qcow2", self.path], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode not in (CLEAN, LEAKED):
            raise Failure(f"qemu-img check: status {done.returncode}\n{done.stdout}")
        return done.returncode == LEAKED

    def read(self):
        if not self.is_qcow2:
            with open(self.path, "rb") as file:
                return file.read(AREA * SECTOR)
        plain = self.path + ".plain"
        run(["qemu-img", "dd", "-f", "qcow2", "-O", "raw", f"bs={SECTOR}", f"count={AREA}", "if=" + self.path,
             "of=" + plain])
        with open(plain, "rb") as file:
            return file.read().ljust(AREA * SECTOR, b"\0")

    def reported(self, last):
        """Everything up to this number is durable."""
        for number in range(self.number + 1, last + 1):
            is_trim, first, count = work(number, self.trims)
            for lba in range(first, first + count):
                if is_trim:
                    self.allowed[lba] = self.allowed[lba] | {ZEROS}
                else:
                    self.allowed[lba] = {contents(lba, number)}
        self.number = max(self.number, last)

    def verify(self, anything=False):
        """Compares with the image; what is there now is what the next run begins with."""
        image = self.read()
        newest = self.number
        later_zeros = set()
        found = []
        for lba in range(AREA):
            sector = image[lba * SECTOR:(lba + 1) * SECTOR]
            found.append(sector)
            if sector in self.allowed[lba]:
                continue
            magic, at, number = struct.unpack_from("<3I", sector)
            if sector == ZEROS:
                later_zeros.add(lba)
                continue
            if magic != MAGIC or at != lba or sector != contents(lba, number):
                raise Failure(f"sector {lba} holds what nobody wrote: {sector[:16].hex()}")
            is_trim, first, count = work(number, self.trims)
            if is_trim or not first <= lba < first + count:
                raise Failure(f"sector {lba} holds number {number}, which writes elsewhere")
            if number <= self.number and not anything:
                raise Failure(f"sector {lba} holds number {number}; up to {self.number} all was reported durable")
            newest = max(newest, number)
        # A discard that was not reported any more explains zeros.
        for number in range(self.number + 1, newest + 64):
            is_trim, first, count = work(number, self.trims)
            if is_trim:
                later_zeros -= set(range(first, first + count))
        if later_zeros and not anything:
            raise Failure(f"sectors {sorted(later_zeros)[:8]} are zeros; up to {self.number} all was reported durable")
        self.allowed = [{sector} for sector in found]
        # Numbers that may have been used are not used again.
        self.number = newest + 4096


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}")


def kill_once(options, image, cache, generator):
    """One doppel from start to kill; the last number it reported."""
    kernel = image.path + ".kernel"
    with open(options.guest, "rb") as file:
        binary = bytearray(file.read())
    durable = cache in ("writethrough", "directsync")
    at = binary.index(b"PARAMETERS:     ") + 16
    struct.pack_into("<4I", binary, at, image.number, AREA, durable, image.trims)
    with open(kernel, "wb") as file:
        file.write(binary)
    drive = f"file={image.path},format={'qcow2' if image.is_qcow2 else 'raw'},cache={cache}"
    drive += f",discard={'unmap' if image.trims else 'ignore'}"
    command = [options.doppel, "-nodefaults", "-display", "none", "-m", "4", "-kernel", kernel, "-drive", drive,
               "-debugcon", "stdio", "-device", "isa-debug-exit,iobase=0xf4", "--timeout-host", "60s"]
    log = image.path + ".log"
    with open(log, "wb") as reports:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=reports, stderr=subprocess.PIPE)
        # Most kills in the thick of it, some while it opens its image.
        if generator.random() < 0.75:
            wait_for_report(process, log)
        time.sleep(generator.random() * 0.15)
        ended = process.poll()
        process.kill()
        complaints = process.stderr.read().decode("utf-8", "replace")
        process.wait()
    if ended is not None or complaints:
        raise Failure(f"doppel ended by itself or complained (status {ended}): {complaints}\n{' '.join(command)}")
    with open(log, "rb") as file:
        lines = file.read().split(b"\n")
    numbers = [int(line[1:], 16) for line in lines[:-1] if line.startswith(b"F") and len(line) == 9]
    return numbers[-1] if numbers else image.number


def wait_for_report(process, log):
    for _ in range(1000):
        if os.path.getsize(log) != 0 or process.poll() is not None:
            return
        time.sleep(0.005)


def torture(options, format_name, cache, generator):
    folder = os.path.join(options.work, f"{format_name}-{cache}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    image = None
    leaks = reports = images = 0
    for index in range(options.kills):
        if index % options.kills_per_image == 0:
            image = Image(folder, format_name, CLUSTERS[images % len(CLUSTERS)], trims=images % 2)
            images += 1
        before = image.number
        last = kill_once(options, image, cache, generator)
        reports += last > before
        leaks += image.check()
        if cache != "unsafe":
            image.reported(last)
        image.verify(anything=cache == "unsafe")
    # Whoever opens the image next takes back what leaked.
    close_once(options, image, cache)
    if image.check():
        raise Failure("clusters are still leaked after the image was opened and closed")
    print(f"{format_name} {cache}: {options.kills} kills, {images} images, {reports} runs with reports, "
          f"{leaks} times clusters leaked, none after the next opening", flush=True)
    if reports < options.kills // 4:
        raise Failure(f"only {reports} of {options.kills} runs reported anything")
    shutil.rmtree(folder)


def close_once(options, image, cache):
    drive = f"file={image.path},format={'qcow2' if image.is_qcow2 else 'raw'},cache={cache}"
    script = image.path + ".script"
    with open(script, "w", encoding="utf-8") as file:
        file.write("wait 1ms\nquit\n")
    run([options.doppel, "-nodefaults", "-display", "none", "-m", "4", "-kernel", image.path + ".kernel", "-drive",
         drive, "-debugcon", "null", "--script", script])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--doppel", required=True)
    parser.add_argument("--guest", required=True, help="guest.asm, assembled")
    parser.add_argument("--work", required=True)
    parser.add_argument("--kills", type=int, default=200, help="of each combination")
    parser.add_argument("--kills-per-image", type=int, default=20)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--caches", default=",".join(CACHES))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    try:
        for format_name in options.formats.split(","):
            for cache in options.caches.split(","):
                torture(options, format_name, cache, generator)
    except Failure as failure:
        print(f"{format_name} {cache}, seed {options.seed}: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
