"""What tests of whole systems share: what goes wrong, guests and packages, and a main of named cases."""

import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TOOL = os.path.join(ROOT, "tools", "guest-image")


class Failure(Exception):
    pass


def output_of(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def guest_image(*words):
    return output_of([TOOL, *words])


def package(name, path):
    """A file of a Debian package."""
    return os.path.join(guest_image("package", "amd64", name), path)


def main(cases, run, **more):
    """Runs the case that the command line names by `run(options, work)`; `more` are options with their defaults.

    Gives the exit status.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--doppel", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--case", required=True, choices=cases)
    for name, default in more.items():
        parser.add_argument("--" + name, default=default)
    options = parser.parse_args()
    try:
        work = os.path.join(options.work, options.case)
        os.makedirs(work, exist_ok=True)
        run(options, work)
    except Failure as failure:
        print(f"{options.case}: {failure}", file=sys.stderr)
        return 1
    return 0
