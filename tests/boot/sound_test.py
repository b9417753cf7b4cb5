#!/usr/bin/env python3
"""Lets guests make sound and listens to the file it went into; lets one panic.

A tone is looked for in the file by its frequency: how often the signal goes up through zero in a
second. The same run under each engine gives the same file.
"""

import os
import subprocess
import sys
import wave

from cases import HERE, Failure, guest_image, main, output_of, package

PANIC_STATUS = 118


class Sound:
    """What is in a WAV file, and where in it something sounds."""

    def __init__(self, path):
        with wave.open(path, "rb") as file:
            if (file.getnchannels(), file.getsampwidth()) != (2, 2):
                raise Failure(f"{path}: not 16 bits in stereo")
            self.rate = file.getframerate()
            data = file.readframes(file.getnframes())
        values = memoryview(data).cast("h")  # Little endian, as this host.
        self.sides = [list(values[0::2]), list(values[1::2])]

    def tones(self, side, loud, longest_pause=0.05):
        """(begin, end) in seconds of everything louder than `loud`."""
        found = []
        for at, value in enumerate(self.sides[side]):
            if abs(value) < loud:
                continue
            time = at / self.rate
            if not found or time - found[-1][1] > longest_pause:
                found.append([time, time])
            found[-1][1] = time
        return found

    def frequency(self, side, begin, end):
        part = self.sides[side][int(begin * self.rate):int(end * self.rate)]
        rises = [at for at in range(1, len(part)) if part[at - 1] < 0 <= part[at]]
        if len(rises) < 2:
            return 0
        return (len(rises) - 1) * self.rate / (rises[-1] - rises[0])


def near(what, found, wanted, tolerance):
    if abs(found - wanted) > tolerance:
        raise Failure(f"{what}: {found:.3f}, not {wanted} (within {tolerance})")


def files(work, name, script, group, extra=()):
    """An initramfs with a session, a group of modules and more."""
    modules = guest_image("modules", "amd64")
    order = os.path.join(modules, "order-" + group)
    with open(order, encoding="ascii") as file:
        names = file.read().split()
    archive = os.path.join(work, name + ".cpio.gz")
    guest_image("files", archive, os.path.join(HERE, "guest", script) + "=script/session.sh",
               order + "=script/order-" + group,
               *[os.path.join(modules, module + ".ko") + f"=script/{module}.ko" for module in names], *extra)
    return ["-nodefaults", "-serial", "stdio", "-m", "256", "-kernel", guest_image("kernel", "amd64"),
            "-initrd", guest_image("initramfs", "amd64") + "," + archive, "-append", "console=ttyS0 panic=-1"]


class Tone:
    """Debian's driver of AC'97 cards plays a second of two tones, at two rates."""

    status = 0

    def arguments(self, work, sound):
        program = os.path.join(work, "tone")
        output_of(["gcc", "-O2", "-static", "-o", program, os.path.join(HERE, "guest", "tone.c"), "-lm"])
        return files(work, "session", "sound.sh", "sound", [program + "=script/tone"]) + [
            "-device", "AC97,audiodev=a", "-audiodev", f"wav,id=a,path={sound}"]

    def check(self, text, sound):
        if text.count("tone played") != 2 or "interrupts: some" not in text:
            raise Failure("the guest did not play:\n" + text[-3000:])
        heard = Sound(sound)
        tones = heard.tones(0, 500)
        long_ones = [tone for tone in tones if tone[1] - tone[0] > 0.5]
        if len(long_ones) != 2:
            raise Failure(f"there are {len(long_ones)} tones, not 2: {tones}")
        for begin, end in long_ones:
            near("length in seconds", end - begin, 1, 0.01)
            near("left, in Hz", heard.frequency(0, begin + 0.05, end - 0.05), 1000, 1)
            near("right, in Hz", heard.frequency(1, begin + 0.05, end - 0.05), 2000, 2)
        near("left against right", max(heard.sides[0]) / max(heard.sides[1]), 2, 0.05)


class Speaker:
    """GRUB's command for tunes, on the loudspeaker."""

    status = 0

    def arguments(self, work, sound):
        script = os.path.join(work, "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write("timeout 120s\nexpect GNU GRUB\nsendkey c\nexpect grub>\n"
                       "type play 240 440 2 880 1\\n\nwait 3s\nquit\n")
        disc = package("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-cdrom.iso")
        # GRUB counts the time of its tunes with a busy loop: slow instructions make it short work.
        return ["-m", "64", "-cdrom", disc, "-boot", "d", "-icount", "shift=6", "-machine", "pc,pcspk-audiodev=a",
                "-audiodev", f"wav,id=a,path={sound}", "--script", script]

    def check(self, _text, sound):
        heard = Sound(sound)
        tones = heard.tones(0, 500)
        if not tones:
            raise Failure("nothing is heard")
        begin, end = tones[0]
        near("first tone in Hz", heard.frequency(0, begin + 0.05, begin + 0.45), 440, 2)
        near("second tone in Hz", heard.frequency(0, begin + 0.55, begin + 0.7), 880, 4)
        near("length in seconds", end - begin, 0.75, 0.15)


class Panic:
    """A kernel that panics says so, and the run ends with a status of its own."""

    status = PANIC_STATUS

    def arguments(self, work, _sound):
        return files(work, "panic", "panic.sh", "pvpanic") + ["-device", "pvpanic"]

    def check(self, text, _sound):
        for wanted in ("sysrq: Trigger a crash", "the guest says that it panicked"):
            if wanted not in text:
                raise Failure(f"'{wanted}' is not there:\n{text[-3000:]}")


CASES = {"tone": Tone, "speaker": Speaker, "panic": Panic}


def run(options, case, engine, work):
    sound = os.path.join(work, engine + ".wav")
    command = [options.doppel, "--engine", engine, "-display", "none", "-no-reboot", "--timeout-host", "300s",
               "--timeout-virtual", "300s", *case.arguments(work, sound)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode("utf-8", "replace").replace("\r", "")
    if done.returncode != case.status:
        raise Failure(f"status {done.returncode}, not {case.status}\n{' '.join(command)}\n{text[-3000:]}")
    case.check(text, sound)
    if not os.path.exists(sound):
        return b""
    with open(sound, "rb") as file:
        return file.read()


def run_case(options, work):
    heard = {run(options, CASES[options.case](), engine, work) for engine in options.engines.split(",")}
    if len(heard) != 1:
        raise Failure("the engines do not sound the same")


if __name__ == "__main__":
    sys.exit(main(CASES, run_case, engines="jit"))
