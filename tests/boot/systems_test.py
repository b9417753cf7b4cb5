#!/usr/bin/env python3
"""Systems that were not made for doppel, from Debian's packages to a screen that is known.

Each case is a directory of images, made here, and a script as in firmware_test.py.
"""

import hashlib
import os
import shutil
import sys

from cases import Failure, guest_image, main, output_of, package
from firmware_test import run

TIMEOUT_HOST = "3000s"  # A machine that is busy with other things takes long.
SYSLINUX = "usr/lib/syslinux/modules/bios"


def syslinux_floppy(work):
    """A boot loader that goes back to real mode for each key; then Debian's kernel, without its help."""
    image = os.path.join(work, "floppy.img")
    if os.path.exists(image):
        os.remove(image)
    config = os.path.join(work, "syslinux.cfg")
    with open(config, "w", encoding="utf-8") as file:
        file.write("PROMPT 1\nLABEL memory\n COM32 meminfo.c32\n"
                   "LABEL chain\n COM32 chain.c32\n APPEND hd0\n")
    output_of(["mformat", "-C", "-f", "1440", "-i", image, "::"])
    output_of([package("syslinux", "usr/bin/syslinux"), "--install", image])
    modules = package("syslinux-common", SYSLINUX)
    output_of(["mcopy", "-i", image, config, *(os.path.join(modules, name + ".c32") for name in
                                               ("meminfo", "libcom32", "libutil", "chain")), "::"])
    disk = package("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-cdrom.iso")
    return ["-m", "64", "-fda", image, "-boot", "a", "-snapshot", disk], f"""
timeout 60s
expect SYSLINUX 6
expect boot:
type memory\\n
expect 0000000003efe000
type chain\\n
expect GNU GRUB
screendump {os.path.join(work, "screen.png")}
quit
"""


def iso_with_isolinux(work, kernel, initrd, arguments):
    """A CD as installers are: isolinux and one entry."""
    tree = os.path.join(work, "iso")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(os.path.join(tree, "isolinux"))
    shutil.copy(package("isolinux", "usr/lib/ISOLINUX/isolinux.bin"), os.path.join(tree, "isolinux"))
    shutil.copy(os.path.join(package("syslinux-common", SYSLINUX), "ldlinux.c32"), os.path.join(tree, "isolinux"))
    shutil.copy(kernel, os.path.join(tree, "linux"))
    shutil.copy(initrd, os.path.join(tree, "initrd.gz"))
    with open(os.path.join(tree, "isolinux", "isolinux.cfg"), "w", encoding="utf-8") as file:
        file.write(f"DEFAULT install\nLABEL install\n KERNEL /linux\n APPEND initrd=/initrd.gz {arguments}\n")
    iso = os.path.join(work, "boot.iso")
    output_of(["xorriso", "-as", "mkisofs", "-quiet", "-o", iso, "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat",
               "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree])
    return iso


def grub_kernel(work):
    """A CD of GRUB's own making: a menu, and a kernel that GRUB loads through the BIOS."""
    tree = os.path.join(work, "iso")
    shutil.rmtree(tree, ignore_errors=True)
    grub = os.path.join(tree, "boot", "grub")
    os.makedirs(grub)
    modules = package("grub-pc-bin", "usr/lib/grub/i386-pc")
    output_of([package("grub-common", "usr/bin/grub-mkimage"), "-O", "i386-pc-eltorito", "-d", modules, "-p", "/boot/grub",
               "-o", os.path.join(grub, "eltorito.img"), "biosdisk", "iso9660", "normal", "linux", "echo"])
    shutil.copytree(modules, os.path.join(grub, "i386-pc"))
    shutil.copy(guest_image("kernel", "amd64"), os.path.join(tree, "vmlinuz"))
    shutil.copy(guest_image("initramfs", "amd64"), os.path.join(tree, "initrd.gz"))
    with open(os.path.join(grub, "grub.cfg"), "w", encoding="utf-8") as file:
        file.write("set timeout=-1\nmenuentry 'nothing' {\n echo none\n}\n"
                   "menuentry 'from the CD' {\n linux /vmlinuz console=ttyS0 console=tty0 quiet\n initrd /initrd.gz\n}\n")
    iso = os.path.join(work, "boot.iso")
    output_of(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", iso, "-b", "boot/grub/eltorito.img",
               "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree])
    return ["-m", "128", "-cdrom", iso, "-boot", "d"], """
timeout 120s
expect GNU GRUB
expect from the CD
sendkey down
sendkey ret
expect busybox on Linux
type cat /proc/cmdline; poweroff -f\\n
wait 10s
"""


def installer(work, arch):
    """`nomodeset` keeps its driver for the graphics card away, so that the dialogs are in text mode.

    With less memory it speaks of that first, and English only.
    """
    files = package(f"debian-installer-12-netboot-{arch}",
                    f"usr/lib/debian-installer/images/12/{arch}/text/debian-installer/{arch}")
    iso = iso_with_isolinux(work, os.path.join(files, "linux"), os.path.join(files, "initrd.gz"), "vga=normal nomodeset quiet")
    return ["-m", "1024", "-cdrom", iso, "-boot", "d"], f"""
timeout 120s
expect ISOLINUX
expect Select a language
expect Choose the language to be used for the installation process
expect English
screendump {os.path.join(work, "screen.png")}
quit
"""


def installer_amd64(work):
    return installer(work, "amd64")


def installer_i386(work):
    return installer(work, "i386")


def memtest(kind, until, seconds):
    iso = package("memtest86+", f"usr/lib/memtest86+/memtest86+{kind}.iso")
    return ["-m", "64", "-cdrom", iso, "-boot", "d"], f"""
timeout {seconds}s
expect Memtest86+
expect Errors: 0
expect {until}
screentext
expect Errors: 0
quit
"""


def memtest_x64(_work):
    """A whole pass: ten tests of 60 MiB, and bits left alone for minutes."""
    return memtest("x64", "Pass:  1", 600)


def memtest_ia32(_work):
    return memtest("ia32", "Pass:  1", 600)


def memtest_short(_work):
    """To the third test."""
    return memtest("x64", "Test #3", 60)


# How a hard disk is attached.
DISKS = {"ide": lambda disk: ["-hda", disk],
         "virtio": lambda disk: ["-drive", f"file={disk},if=virtio"]}

NUMBERS = 6_000_000  # 46 MB when written down.


def debian(work, kind):
    """A day with Debian: boot, log in, install packages, write and read back, switch off."""
    base = guest_image("disk")
    disk = os.path.join(work, "disk.qcow2")
    output_of(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", disk])
    digest = hashlib.md5()
    for first in range(1, NUMBERS + 1, 100_000):
        digest.update("".join(f"{i}\n" for i in range(first, first + 100_000)).encode())
    return ["-m", "512", "-serial", "file:" + os.path.join(work, "serial"), *DISKS[kind](disk)], f"""
timeout 120s
expect GNU GRUB
expect doppel tty1
expect doppel ttyS0
expect login:
type root\\n
expect Password:
type doppel\\n
expect root@doppel:~#
type clear; dpkg -i /var/cache/packages/*.deb && hello\\n
expect Hello, world!
type clear; tree -L 1 /var/cache\\n
expect directories
type clear; seq {NUMBERS} >a && md5sum a && cp a b && sync && echo 3 >/proc/sys/vm/drop_caches && md5sum b\\n
expect {digest.hexdigest()}  a
expect {digest.hexdigest()}  b
type clear; cmp a b && apt-get -y remove hello && rm a && poweroff\\n
wait 120s
quit
"""


def debian_ide(work):
    return debian(work, "ide")


def debian_virtio(work):
    return debian(work, "virtio")


def check_debian(work):
    """What the guest left must be sound by other people's programs."""
    disk = os.path.join(work, "disk.qcow2")
    raw = os.path.join(work, "disk.raw")
    output_of(["qemu-img", "check", "-q", disk])
    output_of(["qemu-img", "convert", "-O", "raw", disk, raw])
    output_of(["e2fsck", "-fn", raw + "?offset=1048576"])
    os.remove(raw)


CASES = {function.__name__: function for function in
         (syslinux_floppy, installer_amd64, installer_i386, grub_kernel, memtest_short, memtest_x64, memtest_ia32, debian_ide,
          debian_virtio)}
AFTERWARDS = {"debian_ide": check_debian, "debian_virtio": check_debian}
# How a case ends that does not end by its script.
ENDS = {"debian_ide": "shutdown", "debian_virtio": "shutdown", "grub_kernel": "shutdown"}


def run_case(options, work):
    arguments, text = CASES[options.case](work)
    script = os.path.join(work, "script")
    with open(script, "w", encoding="utf-8") as file:
        file.write(text)
    report = run(options, options.engine, arguments, script, TIMEOUT_HOST)
    wanted = ENDS.get(options.case, "quit")
    if report["exit"]["kind"] != wanted:
        raise Failure(f"ended by {report['exit']['kind']}, not {wanted}")
    if options.case in AFTERWARDS:
        AFTERWARDS[options.case](work)
    print(f"{options.engine}: {report['instructions']} instructions, {report['virtual_ns'] / 1e9:.1f} s, "
          f"on the host {report['host_ms']} ms")


if __name__ == "__main__":
    sys.exit(main(CASES, run_case, engine="jit"))
