#!/usr/bin/env python3
"""Opens doppel's real window on an X server without a screen, types into it, and compares the picture.

The keys come from outside, by the X server's test extension, as if from a keyboard. What the window
shows must be what doppel's own screendump shows.
"""

import argparse
import os
import struct
import subprocess
import sys
import time
import zlib

from cases import Failure, package

PATIENCE_S = 200
TYPED = "doppel-typed"
SCRIPT = f"""
timeout 250s
expect GNU GRUB
screendump %(menu)s
expect grub>
screendump %(prompt)s
expect {TYPED}
wait 1s
screendump %(screen)s
wait 60s
quit
"""


def wait_for(what, found):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        result = found()
        if result:
            return result
        time.sleep(0.2)
    raise Failure(f"{what} did not come in {PATIENCE_S} s")


def read_png(path):
    """An 8-bit RGB PNG as (width, height, rows of bytes)."""
    with open(path, "rb") as file:
        data = file.read()
    at, body = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", chunk[:10])
            if (depth, colour) != (8, 2):
                raise Failure(f"{path}: depth {depth}, colour type {colour}")
        if kind == b"IDAT":
            body += chunk
        at += 12 + size
    raw = zlib.decompress(body)
    stride = 3 * width
    rows, above = [], bytearray(stride)
    for y in range(height):
        filtered = raw[y * (stride + 1)]
        row = bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left = row[x - 3] if x >= 3 else 0
            corner = above[x - 3] if x >= 3 else 0
            if filtered == 1:
                row[x] = (row[x] + left) & 0xff
            elif filtered == 2:
                row[x] = (row[x] + above[x]) & 0xff
            elif filtered == 3:
                row[x] = (row[x] + (left + above[x]) // 2) & 0xff
            elif filtered == 4:
                guess = left + above[x] - corner
                row[x] = (row[x] + min((left, above[x], corner), key=lambda c: abs(guess - c))) & 0xff
        rows.append(bytes(row))
        above = row
    return width, height, rows


def read_window(display, window):
    """What a window shows, as (width, height, rows of RGB bytes)."""
    dump = subprocess.run(["xwd", "-silent", "-display", display, "-id", window], check=True, stdout=subprocess.PIPE).stdout
    fields = struct.unpack(">25I", dump[:100])
    header, width, height, big_endian = fields[0], fields[4], fields[5], fields[7]
    bits, stride, colours = fields[11], fields[12], fields[19]
    if bits != 32:
        raise Failure(f"the X server has {bits} bits a pixel")
    pixels = dump[header + 12 * colours:]
    order = (1, 2, 3) if big_endian else (2, 1, 0)
    rows = []
    for y in range(height):
        line = pixels[y * stride:y * stride + 4 * width]
        row = bytearray(3 * width)
        for i, channel in enumerate(order):
            row[i::3] = line[channel::4]
        rows.append(bytes(row))
    return width, height, rows


def run(options, display, work):
    image = package("grub-rescue-pc", "usr/lib/grub-rescue/grub-rescue-floppy.img")
    pictures = {name: os.path.join(work, name + ".png") for name in ("menu", "prompt", "screen")}
    script = os.path.join(work, "script")
    for name in pictures.values():
        if os.path.exists(name):
            os.remove(name)
    with open(script, "w", encoding="utf-8") as file:
        file.write(SCRIPT % pictures)
    environment = dict(os.environ, DISPLAY=display, SDL_VIDEODRIVER="x11", SDL_AUDIODRIVER="dummy")

    def xdotool(*arguments):
        done = subprocess.run(["xdotool", *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    doppel = subprocess.Popen([options.doppel, "-m", "64", "-fda", image, "-boot", "a", "-serial", "null", "-name", "window-test",
                               "--script", script, "--timeout-host", "300s"],
                              env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        window = wait_for("the window", lambda: xdotool("search", "--name", "window-test")).split()[-1]
        title = xdotool("getwindowname", window)
        if "doppel" not in title:
            raise Failure(f"the window's title is '{title}'")
        xdotool("windowfocus", "--sync", window)
        # Firmware's buffer has room for 15 keys: who types must wait for a reader.
        wait_for("the menu", lambda: os.path.exists(pictures["menu"]))
        xdotool("key", "c")
        wait_for("the prompt", lambda: os.path.exists(pictures["prompt"]))
        xdotool("type", "--delay", "120", f"echo {TYPED}\n")
        wait_for("the picture", lambda: os.path.exists(pictures["screen"]) and doppel.poll() is None)
        time.sleep(1)
        wanted, shown = read_png(pictures["screen"]), read_window(display, window)
        if wanted[:2] != shown[:2]:
            raise Failure(f"the window is {shown[:2]}, the picture {wanted[:2]}")
        wrong = sum(a[i:i + 3] != b[i:i + 3] for a, b in zip(wanted[2], shown[2]) for i in range(0, len(a), 3))
        lit = sum(row[i:i + 3] != b"\0\0\0" for row in wanted[2] for i in range(0, len(row), 3))
        print(f"{wanted[0]}x{wanted[1]}: {lit} pixels are not black, {wrong} differ")
        # The cursor blinks: a character's cell may differ.
        if lit < 1000 or wrong > 9 * 16:
            raise Failure("the window does not show what the machine does")
        xdotool("windowclose", window)
    except Failure as failure:
        doppel.terminate()
        said = doppel.communicate(timeout=30)[0].decode("utf-8", "replace")
        raise Failure(f"{failure}\ndoppel said:\n{said}") from failure
    finally:
        if doppel.poll() is None:
            doppel.terminate()
        doppel.wait(timeout=30)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--doppel", required=True)
    parser.add_argument("--work", required=True)
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    read_end, write_end = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"],
                              pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write_end)
    try:
        number = os.read(read_end, 16).decode().strip()
        if not number:
            raise Failure("Xvfb does not start")
        run(options, ":" + number, options.work)
    except Failure as failure:
        print(f"window: {failure}", file=sys.stderr)
        return 1
    finally:
        server.terminate()
        server.wait(timeout=30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
