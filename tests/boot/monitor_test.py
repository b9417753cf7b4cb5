#!/usr/bin/env python3
"""Speaks to a running doppel as programs and people do: QMP over a Unix socket, a serial port over
TCP, the monitor's prompt, a pseudo-terminal, the terminal display. SeaBIOS is the guest."""

import contextlib
import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time

from cases import Failure, main

PATIENCE = 60.0  # Seconds that a busy host may take.


def check(holds, what):
    if not holds:
        raise Failure(what)


def until(question, what):
    """Waits for an answer that is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise Failure(f"waited in vain for {what}")


class Qmp:
    """A client that keeps events apart from answers."""

    def __init__(self, address):
        kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(kind, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        until(lambda: self.socket.connect_ex(address) == 0, f"{address} to listen")
        self.lines = self.socket.makefile("rb")
        self.events = []
        self.number = 0

    def read(self):
        line = self.lines.readline()
        check(line.endswith(b"\r\n") or not line, f"a line ends in {line[-2:]}")
        return json.loads(line) if line else None

    def negotiate(self):
        greeting = self.read()
        check("QMP" in greeting and "version" in greeting["QMP"], f"greeting {greeting}")
        check(self.execute("qmp_capabilities") == {}, "capabilities")
        return greeting

    def send(self, text):
        self.socket.sendall(text.encode())

    def answer(self):
        while True:
            message = self.read()
            check(message is not None, "the connection ended before the answer")
            if "event" not in message:
                return message
            check(message["timestamp"]["seconds"] > 0, "an event without a time")
            self.events.append(message)

    def ask(self, command, **arguments):
        self.number += 1
        self.send(json.dumps({"execute": command, "arguments": arguments, "id": self.number}))
        answer = self.answer()
        check(answer.get("id") == self.number, f"{command}: answer to another request: {answer}")
        return answer

    def execute(self, command, **arguments):
        answer = self.ask(command, **arguments)
        check("return" in answer, f"{command}: {answer}")
        return answer["return"]

    def refused(self, command, **arguments):
        answer = self.ask(command, **arguments)
        check("error" in answer, f"{command} was done: {answer}")
        return answer["error"]["class"]

    def hmp(self, line):
        return self.execute("human-monitor-command", **{"command-line": line})

    def wait_event(self, name):
        def found():
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            self.execute("query-status")  # Reads what came in between.
            return None
        return until(found, f"event {name}")

    def close(self):
        self.lines.close()
        self.socket.close()


class Terminal:
    """The other end of a stream of bytes, with patience."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.text = b""

    def expect(self, wanted):
        end = time.monotonic() + PATIENCE
        while wanted not in self.text:
            left = end - time.monotonic()
            check(left > 0, f"{wanted} did not come; there was {self.text[-3000:]}")
            if not select.select([self.descriptor], [], [], left)[0]:
                continue
            piece = os.read(self.descriptor, 65536)
            check(piece, f"{wanted} did not come before the end; there was {self.text[-3000:]}")
            self.text += piece
        before, self.text = self.text.split(wanted, 1)
        return before

    def type(self, data):
        os.write(self.descriptor, data)


@contextlib.contextmanager
def doppel(options, *arguments, **popen):
    command = [options.doppel, "-nodefaults", "-m", "16", "--timeout-host", "120s", *arguments]
    popen.setdefault("stdin", subprocess.DEVNULL)
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.STDOUT)
    process = subprocess.Popen(command, **popen)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def ends_with(process, status):
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failure("doppel does not end") from None
    check(process.returncode == status, f"status {process.returncode}, not {status}")


SHOWN = ["-display", "none", "-vga", "std"]


def qmp(options, work):
    """Handshake, every command, events, damage, a second client, the end."""
    path = os.path.join(work, "qmp.sock")
    with doppel(options, *SHOWN, "-name", "guinea-pig", "-S", "-qmp", f"unix:{path},server,nowait") as process:
        client = Qmp(path)
        greeting = client.read()
        check(greeting["QMP"]["capabilities"] == ["oob"], f"greeting {greeting}")
        check(client.refused("query-status") == "CommandNotFound", "a command before the capabilities")
        check(client.execute("qmp_capabilities", enable=["oob"]) == {}, "capabilities")
        check(client.refused("qmp_capabilities") == "CommandNotFound", "capabilities twice")
        check(client.execute("query-status") == {"status": "prelaunch", "singlestep": False, "running": False},
              "status before the start")
        check(client.execute("cont") == {}, "cont")
        client.wait_event("RESUME")
        check(client.execute("query-status")["status"] == "running", "status running")
        until(lambda: "SeaBIOS" in client.hmp("screentext"), "SeaBIOS on the screen")

        check(client.execute("stop") == {}, "stop")
        client.wait_event("STOP")
        check(client.execute("query-status")["status"] == "paused", "status paused")
        moment = client.hmp("info status")
        time.sleep(0.2)
        check(client.hmp("info status") == moment, "a stopped machine goes on")

        for name in ("png", "ppm"):
            picture = os.path.join(work, "screen." + name)
            client.execute("screendump", filename=picture, format=name)
            with open(picture, "rb") as file:
                check(file.read(2) == {"png": b"\x89P", "ppm": b"P6"}[name], f"a picture as {name}")
        memory = os.path.join(work, "memory")
        client.execute("pmemsave", val=0xffff0, size=16, filename=memory)
        with open(memory, "rb") as file:
            by_file = file.read()
        by_hmp = re.findall("0x(..)", client.hmp("xp/16xb 0xffff0"))
        check([f"{byte:02x}" for byte in by_file] == by_hmp, f"{by_file} is not {by_hmp}")
        client.execute("memsave", val=0, size=4096, filename=memory)
        check(os.path.getsize(memory) == 4096, "memsave")
        check(client.refused("pmemsave", val=0, size=1 << 60, filename=memory) == "GenericError", "too much memory")

        names = {entry["name"] for entry in client.execute("query-commands")}
        check({"qmp_capabilities", "stop", "query-version", "send-key"} <= names, f"commands {names}")
        check(client.execute("query-name") == {"name": "guinea-pig"}, "name")
        check(client.execute("query-cpus-fast")[0]["cpu-index"] == 0, "processors")
        check(client.execute("query-replay")["mode"] == "none", "replay")
        check(client.execute("query-version")["package"].startswith("doppel"), "version")
        check(any(entry["filename"].startswith("unix:") for entry in client.execute("query-chardev")), "chardevs")
        check(isinstance(client.execute("query-block"), list), "block")

        check(client.refused("frobnicate") == "CommandNotFound", "an unknown command")
        check(client.refused("screendump") == "GenericError", "a missing argument")
        check(client.refused("stop", now=True) == "GenericError", "an unexpected argument")
        for damaged in ("hello\n", '{"execute": }\n', '{"execute": "stop\n', "[1]\n", '{"execute": 1}\n'):
            client.send(damaged)
            check(client.answer()["error"]["class"] == "GenericError", f"damage: {damaged!r}")
        client.send('{"execute":"query-status","id":{"a":[1]}}{"execute":\n"query-name"\n,"id":"two"}')
        check(client.answer()["id"] == {"a": [1]}, "two requests in a row, the first")
        check(client.answer()["id"] == "two", "two requests in a row, the second")

        client.execute("cont")
        ctrl_alt_delete = [{"type": "qcode", "data": name} for name in ("ctrl", "alt", "delete")]
        until(lambda: "No bootable" in client.hmp("screentext"), "SeaBIOS to give up")
        client.execute("send-key", keys=ctrl_alt_delete)
        check(client.wait_event("RESET")["data"] == {"guest": True, "reason": "guest-reset"}, "a guest's reset")
        client.execute("input-send-event", events=[
            {"type": "key", "data": {"down": down, "key": {"type": "number", "data": 0x1e}}} for down in (True, False)])
        client.execute("input-send-event", events=[{"type": "rel", "data": {"axis": "x", "value": 5}}])
        check(client.refused("send-key", keys=[{"type": "qcode", "data": "hyper"}]) == "GenericError", "no such key")
        client.execute("system_powerdown")
        client.wait_event("POWERDOWN")
        client.execute("system_reset")
        reset = client.wait_event("RESET")
        while reset["data"]["guest"]:
            reset = client.wait_event("RESET")  # Firmware tries again by itself, every minute of its time.
        check(reset["data"] == {"guest": False, "reason": "host-qmp-system-reset"}, "our reset")

        client.close()
        client = Qmp(path)  # And again.
        client.negotiate()
        check(client.execute("quit") == {}, "quit")
        last = client.read()
        check(last["event"] == "SHUTDOWN" and last["data"] == {"guest": False, "reason": "host-qmp-quit"}, f"last {last}")
        ends_with(process, 0)
    check(not os.path.exists(path), "the socket is still there")


def qmp_stdio(options, _work):
    with doppel(options, *SHOWN, "-qmp", "stdio", stdin=subprocess.PIPE, stderr=None) as process:
        process.stdin.write(b'{"execute":"qmp_capabilities"}{"execute":"quit"}\n')
        process.stdin.flush()
        lines = [json.loads(line) for line in process.stdout.read().splitlines()]
        check("QMP" in lines[0] and lines[1] == lines[2] == {"return": {}}, f"lines {lines}")
        check(lines[3]["event"] == "SHUTDOWN", f"lines {lines}")
        ends_with(process, 0)


# Echoes what COM1 gets, in capitals where it is a letter.
ECHO = bytes([
    0xba, 0xfd, 0x03,        # again: mov dx, 3fdh
    0xec,                    # in al, dx
    0xa8, 0x01,              # test al, 1
    0x74, 0xf8,              # jz again
    0xba, 0xf8, 0x03,        # mov dx, 3f8h
    0xec,                    # in al, dx
    0x3c, 0x61,              # cmp al, 'a'
    0x72, 0x02,              # jb out
    0x24, 0xdf,              # and al, 0dfh
    0xee,                    # out: out dx, al
    0xeb, 0xeb,              # jmp again
])


def boot_sector(work):
    path = os.path.join(work, "echo.bin")
    with open(path, "wb") as file:
        file.write(ECHO + bytes(510 - len(ECHO)) + b"\x55\xaa")
    return path


def serial_tcp(options, work):
    """A serial port over TCP, left and entered again; the port is one that is free."""
    path = os.path.join(work, "qmp.sock")
    with doppel(options, "-display", "none", "-kernel", boot_sector(work), "-serial", "tcp:127.0.0.1:0,server,nowait",
                "-qmp", f"unix:{path},server=on,wait=off") as process:
        client = Qmp(path)
        client.negotiate()

        def filename():
            return {entry["label"]: entry["filename"] for entry in client.execute("query-chardev")}["serial0"]

        check(filename().startswith("disconnected:tcp:"), f"before: {filename()}")
        port = int(re.search(r":(\d+),server", filename()).group(1))
        for text in (b"first", b"second"):
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                terminal = Terminal(connection.fileno())
                terminal.type(text)
                terminal.expect(text.upper())
                check(filename().startswith("tcp:"), f"connected: {filename()}")
            until(lambda: filename().startswith("disconnected:"), "the port to notice that nobody is there")
        # More than any buffer on the way: nothing is lost.
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(b"x" * 300_000)
            connection.settimeout(PATIENCE)
            count = 0
            while count < 300_000:
                piece = connection.recv(65536)
                check(piece and set(piece) == {ord("X")}, f"{count} bytes, then {piece[:20]}")
                count += len(piece)
        client.execute("quit")
        ends_with(process, 0)


def prompt(options, work):
    """The monitor on a socket of its own, and beside a serial port on a pseudo-terminal."""
    path = os.path.join(work, "monitor.sock")
    with doppel(options, "-display", "none", "-kernel", boot_sector(work), "-monitor", f"unix:{path},server,nowait",
                "-chardev", "pty,id=line,mux=on", "-serial", "chardev:line", "-mon", "chardev=line",
                "-pidfile", os.path.join(work, "pid")) as process:
        line = process.stdout.readline().decode()
        name = re.search(r"redirected to (/dev/pts/\d+) \(label line\)", line).group(1)
        descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY)
        serial = Terminal(descriptor)
        serial.type(b"abc")
        serial.expect(b"ABC")
        serial.type(b"\x01c")
        serial.expect(b"(doppel) ")
        serial.type(b"info name\r")
        serial.expect(b"(doppel) ")
        serial.type(b"\x01cdef")
        serial.expect(b"DEF")
        os.close(descriptor)
        with open(os.path.join(work, "pid"), encoding="ascii") as file:
            check(int(file.read()) == process.pid, "the process's number")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            monitor = Terminal(connection.fileno())
            monitor.expect(b"(doppel) ")
            monitor.type(b"info stax\x08tus\r")
            check(b"VM status: running" in monitor.expect(b"(doppel) "), "info status")
            monitor.type(b"quit\r")
            ends_with(process, 0)
    check(not os.path.exists(os.path.join(work, "pid")), "the file with the number is still there")


def daemonize(options, work):
    path = os.path.join(work, "qmp.sock")
    started = subprocess.run([options.doppel, "-nodefaults", "-display", "none", "-kernel", boot_sector(work),
                              "-daemonize", "-pidfile", os.path.join(work, "pid"), "--timeout-host", "60s",
                              "-qmp", f"unix:{path},server,nowait"], timeout=PATIENCE, check=False)
    check(started.returncode == 0, f"status {started.returncode}")
    with open(os.path.join(work, "pid"), encoding="ascii") as file:
        number = int(file.read())
    try:
        client = Qmp(path)
        client.negotiate()
        check(client.execute("query-status")["running"], "it runs")
        client.execute("quit")
        until(lambda: not os.path.exists(f"/proc/{number}"), "the process to end")
    except Failure:
        os.kill(number, signal.SIGKILL)
        raise
    refused = subprocess.run([options.doppel, "-daemonize", "-kernel", "/nowhere"], stderr=subprocess.PIPE,
                             timeout=PATIENCE, check=False)
    check(refused.returncode == 2 and b"/nowhere" in refused.stderr, f"a wrong option: {refused}")


class Tmux:
    """A terminal of 80 by 25 with a program in it, and how that ended: what is drawn is read as a person sees
    it, since a terminal library is free in how it brings a text there."""

    def __init__(self, command):
        self.directory = tempfile.TemporaryDirectory()
        self.environment = dict(os.environ, TMUX_TMPDIR=self.directory.name, LANG="C.UTF-8", LC_ALL="C.UTF-8")
        self.environment.pop("TMUX", None)
        settings = os.path.join(self.directory.name, "tmux.conf")
        with open(settings, "w", encoding="ascii") as file:
            file.write("set -g status off\nset -g default-terminal screen\n")
        self.tmux("-f", settings, "new-session", "-d", "-x", "80", "-y", "25",
                  f"{shlex.join(command)}; echo ended with status $?; exec cat")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout.decode()

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def expect(self, wanted, instead_of=None):
        def shows():
            screen = self.screen()
            return wanted in screen and (instead_of is None or instead_of not in screen)

        try:
            until(shows, f"'{wanted}' instead of {instead_of}")
        except Failure as failure:
            raise Failure(f"{failure}; the screen shows:\n{self.screen()}") from None

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def close(self):
        self.tmux("kill-server")
        self.directory.cleanup()


def curses(options, _work):
    """The terminal shows SeaBIOS, types into the guest, and turns to the monitor and back."""
    command = [options.doppel, "-m", "16", "-display", "curses", "--timeout-host", "120s"]
    with contextlib.closing(Tmux(command)) as terminal:
        terminal.expect("SeaBIOS (version")
        terminal.expect("No bootable device")
        terminal.press("M-2")
        terminal.expect("(doppel)", instead_of="SeaBIOS")
        terminal.press("info status", "Enter")
        terminal.expect("VM status: running")
        terminal.press("M-1")
        terminal.expect("No bootable device", instead_of="(doppel)")
        terminal.press("M-2")
        terminal.expect("(doppel)", instead_of="SeaBIOS")
        terminal.press("quit", "Enter")
        terminal.expect("ended with status 0")
    refused = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             timeout=PATIENCE, check=False)
    check(refused.returncode == 2 and b"not a terminal" in refused.stderr, f"without a terminal: {refused}")


CASES = {function.__name__: function for function in (qmp, qmp_stdio, serial_tcp, prompt, daemonize, curses)}


def run_case(options, work):
    CASES[options.case](options, work)


if __name__ == "__main__":
    sys.exit(main(CASES, run_case))
