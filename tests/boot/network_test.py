#!/usr/bin/env python3
"""Guests that speak to this host through the user network, and what comes of it on both sides.

Checksums are the oracle for what is carried, a recording for what the machine saw: replayed without
any network, the run must end in the same state.
"""

import hashlib
import http.server
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request

from cases import HERE, Failure, guest_image, main

TIMEOUT_HOST = "900s"
DATA_BYTES = 6 << 20


def md5(data):
    return hashlib.md5(data).hexdigest()


def expect(name, found, wanted):
    if found != wanted:
        raise Failure(f"{name}: {found!r}, not {wanted!r}")


class HostSide:
    """What the guest finds at 10.0.2.2: a web server, and a port that answers with a checksum."""

    def __init__(self):
        self.data = random.Random(1).randbytes(DATA_BYTES)
        data = self.data

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments):
                pass

        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.sink = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            connection, _address = self.sink.accept()
            digest = hashlib.md5()
            while block := connection.recv(65536):
                digest.update(block)
            connection.sendall((digest.hexdigest() + "\n").encode())
            connection.close()

    @property
    def ports(self):
        return f"http={self.web.server_address[1]} sink={self.sink.getsockname()[1]}"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Run:
    """A doppel whose first serial port is read line by line."""

    def __init__(self, options, work, label, arguments):
        self.report_path = os.path.join(work, label + ".json")
        command = [options.doppel, "-display", "none", "-no-reboot", "--timeout-host", TIMEOUT_HOST,
                   "--report", self.report_path, *arguments]
        self.command = command
        self.lines = []
        self.arrived = threading.Condition()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.arrived:
                self.lines.append(line.decode("utf-8", "replace").rstrip())
                self.arrived.notify_all()
        with self.arrived:
            self.lines.append(None)
            self.arrived.notify_all()

    def wait_for(self, wanted):
        with self.arrived:
            self.arrived.wait_for(lambda: wanted in self.lines or None in self.lines, timeout=930)
            if wanted not in self.lines:
                raise Failure(f"'{wanted}' did not come\n{self.text()}")

    def text(self):
        return "\n".join(line for line in self.lines if line is not None)

    def finish(self):
        status = self.process.wait(timeout=930)
        self.reader.join()
        if status != 0:
            raise Failure(f"status {status}, not 0\n{' '.join(self.command)}\n{self.text()}")
        with open(self.report_path, encoding="utf-8") as file:
            return json.load(file)

    def value(self, name):
        found = re.search(rf"^{name}: (.*)$", self.text(), re.M)
        return found.group(1).strip() if found else None


def linux_arguments(work, nic, ports):
    """Debian's kernel with the drivers, and the session of network.sh."""
    modules = guest_image("modules", "amd64")
    session = os.path.join(work, "session.cpio.gz")
    guest_image("files", session, os.path.join(HERE, "guest", "network.sh") + "=script/session.sh",
                os.path.join(HERE, "guest", "address.sh") + "=script/address.sh",
                os.path.join(modules, "e1000.ko") + "=script/e1000.ko")
    return ["-nodefaults", "-serial", "stdio", "-m", "256", "-kernel", guest_image("kernel", "amd64"),
            "-initrd", guest_image("initramfs", "amd64") + "," + session,
            "-append", f"console=ttyS0 panic=-1 quiet {ports}", "-nic", nic]


def linux(options, work):
    """DHCP, both directions of TCP, connections from outside; then the same run from its recording."""
    host = HostSide()
    web, farewell = free_port(), free_port()
    nic = f"user,model=e1000,hostfwd=tcp:127.0.0.1:{web}-:80,hostfwd=tcp:127.0.0.1:{farewell}-:7"
    arguments = linux_arguments(work, nic, host.ports) + ["--engine", options.engine]
    recording = os.path.join(work, "recording")
    run = Run(options, work, "recorded", [*arguments, "--record", recording])
    try:
        run.wait_for("ready")
        numbers = "".join(f"{i}\n" for i in range(1, 400001)).encode()
        begin = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{web}/numbers", timeout=60) as answer:
            expect("served", md5(answer.read()), md5(numbers))
        print(f"served {len(numbers)} bytes in {time.monotonic() - begin:.2f} s")
        with socket.create_connection(("127.0.0.1", farewell), timeout=60) as connection:
            connection.sendall(b"goodbye")
        report = run.finish()
        expect("address", run.value("address"), "10.0.2.15/24")
        expect("ping", run.value("ping"), "2")
        expect("fetched", run.value("fetched"), md5(host.data))
        expect("sent", run.value("sent"), md5(numbers))
        expect("farewell", run.value("farewell"), "goodbye")
    finally:
        run.process.kill()
    print(f"recorded: {report['instructions']} instructions, {report['host_ms']} ms, state {report['state_hash']}")
    if options.engine == "lockstep":
        return
    again = Run(options, work, "replayed", [*arguments, "--replay", recording])
    replayed = again.finish()
    print(f"replayed: {replayed['instructions']} instructions, {replayed['host_ms']} ms, state {replayed['state_hash']}")
    expect("state after the replay", replayed["state_hash"], report["state_hash"])


def boot_sector():
    """Says on the screen that it has come through the network, and waits."""
    program = bytes.fromhex("0e1fbe1b7cfcac84c07409b40ebb0700cd10ebf2f4ebfd") + bytes(4)
    sector = program + b"booted from the network\0"
    return sector + bytes(510 - len(sector)) + b"\x55\xaa"


def boot_from_network(options, work, *arguments):
    """What boots gets an address by DHCP and the boot file by TFTP."""
    served = os.path.join(work, "tftp")
    os.makedirs(served, exist_ok=True)
    with open(os.path.join(served, "sector"), "wb") as file:
        file.write(boot_sector())
    script = os.path.join(work, "script")
    with open(script, "w", encoding="utf-8") as file:
        file.write("timeout 120s\nexpect iPXE\nexpect booted from the network\nquit\n")
    run = Run(options, work, "run", ["-m", "64", "-serial", "null", "--script", script, "--engine", options.engine,
                                     "-netdev", f"user,id=n,tftp={served},bootfile=sector", *arguments])
    report = run.finish()
    print(f"{report['instructions']} instructions, {report['host_ms']} ms, state {report['state_hash']}")


def ipxe_cd(options, work):
    """iPXE's own drivers, from its boot CD."""
    disc = os.path.join(guest_image("package", "amd64", "ipxe"), "usr", "lib", "ipxe", "ipxe.iso")
    boot_from_network(options, work, "-cdrom", disc, "-boot", "d", "-device", "e1000,netdev=n,romfile=")


def ipxe_rom(options, work):
    """The expansion ROM of the card."""
    boot_from_network(options, work, "-boot", "n", "-device", "e1000,netdev=n")


CASES = {function.__name__: function for function in (linux, ipxe_cd, ipxe_rom)}


def run_case(options, work):
    CASES[options.case](options, work)


if __name__ == "__main__":
    sys.exit(main(CASES, run_case, engine="jit"))
