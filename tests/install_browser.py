"""Installs Chromium for the tests if there is none.

From Debian's package if possible, else with Playwright. Without a browser, the tests that need one
are skipped, except in CI, where they fail.
"""

import os
import shutil
import subprocess
import sys

from tests.browser import find_chromium

APT_UPDATE = ["apt-get", "update", "-qq"]
APT_INSTALL = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
PACKAGES = ("chromium-headless-shell", "chromium")  # the first that is available
PLAYWRIGHT_COMMAND = [sys.executable, "-m", "playwright", "install", "chromium"]


def main() -> None:
    if find_chromium():
        return
    if shutil.which("apt-get") and os.geteuid() == 0 and succeeds(APT_UPDATE):
        if any(succeeds([*APT_INSTALL, package]) for package in PACKAGES):
            return
    if not succeeds(PLAYWRIGHT_COMMAND):
        print("Chromium could not be installed. Install it and put `chromium` on the PATH.")


def succeeds(command: list[str]) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    main()
