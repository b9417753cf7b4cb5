#!/usr/bin/env python3
"""Boots a Debian kernel with busybox, runs a session in it, and compares what came out.

Oracles: the host's processor for everything that computes (the same programs run here), the rules
below for what the kernel says, and a second run for everything else: the same command must give
the same text and the same state. The interpreter is the oracle of the other engines: the same boot
must end in its state, whoever runs it.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TIMEOUT_VIRTUAL = "120s"
TIMEOUT_HOST = "900s"


class Failure(Exception):
    pass


def output_of(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Guest:
    def __init__(self, options):
        self.options = options
        self.bits = 64 if options.kernel == "amd64" else 32
        arch = "amd64" if self.bits == 64 else "i386"
        tool = os.path.join(ROOT, "tools", "guest-image")
        self.kernel = output_of([tool, "kernel", options.kernel]).strip()
        self.initramfs = output_of([tool, "initramfs", arch]).strip()
        self.busybox = os.path.join(os.path.dirname(self.kernel), f"busybox-{arch}", "bin", "busybox")
        work = os.path.join(options.work, options.name)
        os.makedirs(work, exist_ok=True)
        self.work = work
        self.probe = os.path.join(work, "probe")
        output_of(["gcc", f"-m{self.bits}", "-O2", "-static", "-ffp-contract=off", "-fno-strict-aliasing", "-o", self.probe,
                   os.path.join(HERE, "guest", "probe.c"), "-lm"])
        self.session = os.path.join(work, "session.cpio.gz")
        output_of([tool, "files", self.session,
                   os.path.join(HERE, "guest", "session.sh") + "=script/session.sh",
                   os.path.join(HERE, "guest", "numbers.awk") + "=script/numbers.awk",
                   self.probe + "=script/probe"])

    def run(self, label, extra=(), engine=None):
        """One run to the end: (text, report)."""
        engine = engine or self.options.engine
        report = os.path.join(self.work, label + ".json")
        command = [self.options.doppel, "--engine", engine, "-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot", "-m", "512", "-cpu", self.options.cpu,
                   "-kernel", self.kernel, "-initrd", f"{self.initramfs},{self.session}",
                   "-append", "console=ttyS0 panic=-1", "--linux-entry", self.options.entry,
                   "--timeout-virtual", TIMEOUT_VIRTUAL, "--timeout-host", TIMEOUT_HOST, "--report", report, *extra]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        text = done.stdout.decode("utf-8", "replace").replace("\r", "")
        with open(os.path.join(self.work, label + ".txt"), "w", encoding="utf-8") as file:
            file.write(text)
        if done.returncode != 0:
            tail = "\n".join(text.splitlines()[-40:])
            raise Failure(f"{label}: status {done.returncode}, not 0\n{' '.join(command)}\n{tail}\n{done.stderr.decode('utf-8', 'replace')}")
        with open(report, encoding="utf-8") as file:
            found = json.load(file)
        if found["engine"]["name"] != engine:
            raise Failure(f"{label}: the engine was {found['engine']['name']}, not {engine}")
        return text, found

    def oracle(self):
        """The interpreter's run of this boot: what its own test left, if this doppel made it."""
        work = os.path.join(self.options.work, name_of(self.options, "session", "interp"))
        try:
            with open(os.path.join(work, "first.txt"), encoding="utf-8") as file:
                text = file.read()
            report = os.path.join(work, "first.json")
            if os.path.getmtime(report) > os.path.getmtime(self.options.doppel):
                with open(report, encoding="utf-8") as file:
                    return text, json.load(file)
        except (OSError, ValueError):
            pass
        return self.run("interpreter", engine="interp")

    def host_answers(self):
        """What the same programs say on this processor; nothing for those that cannot run here."""
        answers = {}
        with open(self.busybox, "rb") as file:
            answers["sum of busybox"] = hashlib.sha256(file.read()).hexdigest()
        answers["sum of zeros"] = hashlib.md5(bytes(4096 * 512)).hexdigest()
        answers["compressed"] = hashlib.md5("".join(f"{i}\n" for i in range(1, 20001)).encode()).hexdigest()
        try:
            answers["awk"] = output_of([self.busybox, "awk", "-f", os.path.join(HERE, "guest", "numbers.awk")]).strip()
            for line in output_of([self.probe]).splitlines():
                name, value = line.split(": ", 1)
                answers[name] = value
        except OSError as error:
            print(f"note: this host cannot run {self.bits}-bit programs ({error}); their answers are not compared")
        return answers


RULES = {
    "pipe": "2000 1999 1998 1997 1996",
    "early": "",
    "background": "done",
    "signal": "139",
    "trap": "7",
    "processes": "40",
    "files": "3",
    "memory size": "enough",
    "interrupts": "1 1",
    "repeatable": "yes",
}
# What a model does not have; the mathematics library computes by other ways there.
MISSING = {"pentium3": ("sse2", "avx2", "libm")}


def check_session(guest, text):
    match = re.search(r"^session begins\n(.*)^session ends$", text, re.M | re.S)
    if not match:
        raise Failure("the session did not come to its end:\n" + "\n".join(text.splitlines()[-40:]))
    found = {}
    for line in match.group(1).splitlines():
        name, separator, value = line.partition(":")
        if separator:
            found.setdefault(name, value.strip())
    wrong = []
    for name, wanted in {**RULES, **guest.host_answers()}.items():
        if name in MISSING.get(guest.options.cpu, ()):
            continue
        if found.get(name) != wanted:
            wrong.append(f"  {name}: {found.get(name)!r}, not {wanted!r}")
    if wrong:
        raise Failure("the guest answers differently:\n" + "\n".join(wrong))
    print(f"session: {len(found)} answers, as wanted")


def first_difference(left, right):
    for number, (a, b) in enumerate(zip(left.splitlines(), right.splitlines()), 1):
        if a != b:
            return f"line {number}:\n  {a}\n  {b}"
    return "one text is longer"


def check_equal(what, left, right):
    """Two runs, each (text, report), that must be the same."""
    if left[0] != right[0]:
        raise Failure(f"{what} differ: " + first_difference(left[0], right[0]))
    for key in ("state_hash", "instructions", "virtual_ns"):
        if left[1][key] != right[1][key]:
            raise Failure(f"{what} differ: {key} {left[1][key]} and {right[1][key]}")


def check_oracle(guest, run):
    if guest.options.engine == "interp":
        return
    check_equal(f"{guest.options.engine} and the interpreter", run, guest.oracle())
    print(f"the interpreter ends in the same state {run[1]['state_hash']}")


def test_session(guest):
    text, report = guest.run("first")
    check_session(guest, text)
    check_equal("two runs", (text, report), guest.run("second"))
    check_oracle(guest, (text, report))
    print(f"two runs: the same text and state {report['state_hash']}, {report['instructions']} instructions, {report['mips']:.0f} MIPS")


def test_snapshot(guest):
    """Saved in the middle of the boot, and again in the middle of the session's work."""
    text, plain = guest.run("plain")
    check_oracle(guest, (text, plain))
    for part in (0.5, 0.97):
        at = int(plain["virtual_ns"] * part)
        state = os.path.join(guest.work, "state.bin")
        text, straight = guest.run(f"saving-{part}", ["--state-save", f"{state}@{at}ns"])
        rest, loaded = guest.run(f"loaded-{part}", ["--state-load", state])
        os.unlink(state)
        if not text.endswith(rest):
            raise Failure(f"saved at {at} ns: the loaded machine says something else:\n{rest[-2000:]}")
        for key in ("state_hash", "instructions", "virtual_ns"):
            if straight[key] != loaded[key]:
                raise Failure(f"saved at {at} ns: {key} is {loaded[key]}, not {straight[key]}")
        print(f"saved and loaded at {at} ns: ends in the same state {straight['state_hash']}")


def test_lockstep(guest):
    """One run with the interpreter beside the translator; doppel compares them itself."""
    text, report = guest.run("run")
    check_session(guest, text)
    counts = report["lockstep"]
    if counts["whole_comparisons"] < 2:
        raise Failure(f"memory was hardly compared: {counts}")
    print(f"{counts['comparisons']} comparisons, {counts['whole_comparisons']} of everything: no difference")


def name_of(options, test, engine):
    """Of the folder where a test's files are."""
    name = f"{test}-{options.kernel}-{options.cpu}-{options.entry}"
    return name if engine == "interp" else f"{name}-{engine}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--doppel", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--kernel", choices=["amd64", "686-pae", "686"], required=True)
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--entry", default="auto")
    parser.add_argument("--test", choices=["session", "snapshot", "lockstep"], default="session")
    parser.add_argument("--engine", choices=["interp", "jit", "lockstep"], default="interp")
    options = parser.parse_args()
    options.name = name_of(options, options.test, options.engine)
    try:
        guest = Guest(options)
        {"session": test_session, "snapshot": test_snapshot, "lockstep": test_lockstep}[options.test](guest)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
