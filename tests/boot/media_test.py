#!/usr/bin/env python3
"""Changes the disc under a running Linux, by the monitor, and replays it.

The guest reads the disc all the time: it must notice a new one by itself, and that there is none. The
recording of such a run must lead to the same state, with the same files opened at the same moments.
"""

import hashlib
import os
import sys

from cases import HERE, Failure, guest_image, main
from firmware_test import run

BYTES = 65536


def prepare(work):
    modules = guest_image("modules", "amd64")
    session = os.path.join(work, "session.cpio.gz")
    files = [os.path.join(HERE, "guest", "media.sh") + "=script/session.sh"]
    files += [os.path.join(modules, name) + "=script/" + name for name in sorted(os.listdir(modules))]
    guest_image("files", session, *files)
    discs, sums = [], []
    for number in range(2):
        contents = bytes([number + 1]) * (2 * BYTES)
        discs.append(os.path.join(work, f"disc {number}.iso"))
        with open(discs[-1], "wb") as file:
            file.write(contents)
        sums.append(hashlib.md5(contents[:BYTES]).hexdigest())
    arguments = ["-nodefaults", "-serial", "null", "-m", "192", "-kernel", guest_image("kernel", "amd64"),
                 "-initrd", guest_image("initramfs", "amd64") + "," + session,
                 "-append", "console=ttyS0 panic=-1 quiet", "-cdrom", discs[0]]
    return arguments, discs, sums


def change_disc(options, work):
    arguments, discs, sums = prepare(work)
    recording = os.path.join(work, "recording")
    script = os.path.join(work, "script")
    with open(script, "w", encoding="utf-8") as file:
        file.write(f"timeout 120s\nexpect disc: {sums[0]}\nchange ide1-cd0 \"{discs[1]}\"\nexpect disc: {sums[1]}\n"
                   "eject ide1-cd0\nexpect disc: none\nexpect Power down\n")
    first = run(options, "jit", arguments + ["--record", recording], script)
    with open(script, "w", encoding="utf-8") as file:
        file.write(f"timeout 120s\nexpect disc: {sums[1]}\nexpect disc: none\nexpect Power down\n")
    again = run(options, "jit", arguments + ["--replay", recording], script)
    if first["state_hash"] != again["state_hash"]:
        raise Failure("the replay ends in another state")
    print(f"media: {first['instructions']} instructions, {first['host_ms']} ms, state {first['state_hash']}")


if __name__ == "__main__":
    sys.exit(main(["media"], change_disc))
