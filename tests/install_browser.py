"""Sees to it that there is a Chromium for the tests: the system's, Debian's, or Playwright's."""

import os
import shutil
import subprocess
import sys

COMMANDS = [
    ["apt-get", "update", "-qq"],
    ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
]
PLAYWRIGHT = [sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]


def main() -> None:
    if shutil.which("chromium") or shutil.which("chromium-browser"):
        return
    can_use_apt = shutil.which("apt-get") and os.geteuid() == 0
    if can_use_apt and all(
        subprocess.run(c, stdout=subprocess.DEVNULL).returncode == 0 for c in COMMANDS
    ):
        return
    if subprocess.run(PLAYWRIGHT).returncode != 0:
        sys.exit("No browser for the tests: install Chromium so that `chromium` is on the PATH.")


if __name__ == "__main__":
    main()
