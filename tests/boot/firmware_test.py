#!/usr/bin/env python3
"""Starts doppel with firmware and disks, as a person would, and looks at the screen.

Each case is a script for doppel's --script: texts that must come, and keys. The two engines must
end in the same state.
"""

import hashlib
import json
import os
import subprocess
import sys

from cases import HERE, Failure, guest_image, main, output_of, package

TIMEOUT_HOST = "300s"


def no_disk(_work):
    return ["-m", "64"], """
timeout 120s
expect SeaBIOS
expect No bootable device
quit
"""


GRUB_SESSION = """
timeout 120s
expect GNU GRUB
sendkey c
expect grub>
type ls\\n
expect %s
screendump %s
quit
"""


def grub_floppy(work):
    image = package("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-floppy.img")
    return ["-m", "64", "-fda", image, "-boot", "a"], GRUB_SESSION % ("(fd0)", os.path.join(work, "screen.png"))


def grub_cdrom(work):
    image = package("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-cdrom.iso")
    return ["-m", "64", "-cdrom", image, "-boot", "d"], GRUB_SESSION % ("(cd)", os.path.join(work, "screen.png"))


def grub_disk(work):
    """The image is a hard disk too."""
    image = package("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-cdrom.iso")
    return ["-m", "64", "-snapshot", image], GRUB_SESSION % ("(hd0)", os.path.join(work, "screen.png"))


def linuxboot(_work):
    """Firmware starts a kernel given by -kernel, from our option ROM; its console is the screen."""
    script = """
timeout 120s
expect SeaBIOS
expect /root #
type echo tables: $(dmesg | grep -c "SMBIOS 2")\\n
expect tables: 1
quit
"""
    return ["-nodefaults", "-vga", "std", "-m", "64", "-bios", "bios-256k.bin",
            "-kernel", guest_image("kernel", "686"), "-initrd", guest_image("initramfs", "i386"),
            "-append", "panic=-1"], script


def grub_virtio(work):
    """Firmware boots from a virtio disk that comes first in its order."""
    image = package("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-cdrom.iso")
    other = os.path.join(work, "other.img")
    with open(other, "wb") as file:
        # Another disk that would boot, into a loop.
        file.write(b"\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    return ["-m", "64", "-snapshot", "-hda", other, "-drive", f"file={image},if=none,id=d,format=raw",
            "-device", "virtio-blk-pci,drive=d,bootindex=0"], GRUB_SESSION % ("(hd0)", os.path.join(work, "screen.png"))


def linux_disks(work):
    """Debian's IDE and ext4 drivers on a fresh qcow2 disk and a CD."""
    modules = guest_image("modules", "amd64")
    session = os.path.join(work, "session.cpio.gz")
    files = [os.path.join(HERE, "guest", "disks.sh") + "=script/session.sh"]
    files += [os.path.join(modules, name) + "=script/" + name for name in sorted(os.listdir(modules))]
    guest_image("files", session, *files)
    disc = package("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-cdrom.iso")
    with open(disc, "rb") as file:
        sum_of_disc = hashlib.md5(file.read()).hexdigest()
    numbers = "".join(f"{i}\n" for i in range(1, 400001)).encode()
    sum_of_numbers = hashlib.md5(numbers).hexdigest()
    disk = os.path.join(work, "disk.qcow2")
    output_of(["qemu-img", "create", "-q", "-f", "qcow2", disk, "128M"])
    expected = ["numbers", "raw disk", "copy1", "copy3", "copy5", "copy6"]
    script = "timeout 120s\n" + "".join(f"expect {name}: {sum_of_numbers}\n" for name in expected)
    script += f"expect cd: {sum_of_disc}\nexpect disks done\nexpect Power down\n"
    return ["-nodefaults", "-serial", "null", "-m", "256", "-kernel", guest_image("kernel", "amd64"),
            "-initrd", guest_image("initramfs", "amd64") + "," + session, "-append", "console=ttyS0 panic=-1 quiet",
            "-hda", disk, "-cdrom", disc], script


def check_disk(work):
    """What the guest left must be sound by other people's programs."""
    disk = os.path.join(work, "disk.qcow2")
    raw = os.path.join(work, "disk.raw")
    output_of(["qemu-img", "check", "-q", disk])
    output_of(["qemu-img", "convert", "-O", "raw", disk, raw])
    output_of(["e2fsck", "-fn", raw])
    os.remove(raw)


CASES = {function.__name__: function for function in (no_disk, grub_floppy, grub_cdrom, grub_disk, grub_virtio, linuxboot,
                                                      linux_disks)}
AFTERWARDS = {"linux_disks": check_disk}


def run(options, engine, arguments, script, timeout=TIMEOUT_HOST):
    report = os.path.join(options.work, options.case, engine + ".json")
    command = [options.doppel, "--engine", engine, "-display", "none", "-no-reboot", *arguments,
               "--script", script, "--timeout-host", timeout, "--report", report]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failure(f"status {done.returncode}, not 0\n{' '.join(command)}\n{done.stdout.decode('utf-8', 'replace')}")
    with open(report, encoding="utf-8") as file:
        return json.load(file)


def run_case(options, work):
    arguments, text = CASES[options.case](work)
    script = os.path.join(work, "script")
    with open(script, "w", encoding="utf-8") as file:
        file.write(text)
    hashes = {}
    for engine in options.engines.split(","):
        report = run(options, engine, arguments, script)
        if options.case in AFTERWARDS:
            AFTERWARDS[options.case](work)
            arguments, _ = CASES[options.case](work)  # A fresh disk for the next one.
        hashes[engine] = report["state_hash"]
        print(f"{engine}: {report['instructions']} instructions, {report['host_ms']} ms, state {report['state_hash']}")
    if len(set(hashes.values())) != 1:
        raise Failure(f"the engines end in different states: {hashes}")


if __name__ == "__main__":
    sys.exit(main(CASES, run_case, engines="interp,jit"))
