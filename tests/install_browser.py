"""Sees to it that there is a Chromium for the tests, where one can be had.

The system's own, Debian's package, or the one that Playwright downloads. Without any, the tests
that need a browser are skipped, except in CI, where they fail.
"""

import os
import shutil
import subprocess
import sys

from tests.browser import find_chromium

COMMANDS = [
    ["apt-get", "update", "-qq"],
    ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
]
PLAYWRIGHT = [sys.executable, "-m", "playwright", "install", "chromium"]


def main() -> None:
    if find_chromium():
        return
    if shutil.which("apt-get") and os.geteuid() == 0 and all(map(succeeds, COMMANDS)):
        return
    if not succeeds(PLAYWRIGHT):
        print("There is no browser for the tests: install Chromium, so that it is on the PATH.")


def succeeds(command: list[str]) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    main()
