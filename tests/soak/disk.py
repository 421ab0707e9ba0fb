"""A disk that is small, so that it can be full: a tmpfs that only the page sees.

It is mounted in a namespace of its own, which one process holds open until its input ends: so it
is gone with the campaign, however that ends.
"""

import errno
import os
import subprocess
from pathlib import Path

FILLING = "filling"  # the file that fills it
SIZE = 16 * 2**20  # bytes
# Ways into a new namespace, and how others follow: as root, and as anybody.
WAYS = (
    (["--mount"], ["--mount"]),
    (["--user", "--map-root-user", "--mount"], ["--user", "--preserve-credentials", "--mount"]),
)


class SmallDisk:
    """Mounts the disk on a folder, as a context manager.

    Args:
        folder: an empty one. Without the right to mount it stays an ordinary folder, `is_small` is
            False, and `fill` does nothing.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self.is_small = False
        self.enter: list[str] = []  # the beginning of a command that is to see the disk
        self.seen = folder  # the disk as this process sees it

    def __enter__(self) -> "SmallDisk":
        mount = f'mount -t tmpfs -o size={SIZE},mode=1777 tmpfs "$0" && echo mounted && exec cat'
        for make, follow in WAYS:
            self._holder = subprocess.Popen(
                ["unshare", *make, "sh", "-c", mount, self._folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            if self._holder.stdout.readline():
                target = f"--target={self._holder.pid}"
                self.enter = ["nsenter", target, *follow, "env", f"--chdir={Path.cwd()}"]
                self.seen = Path(f"/proc/{self._holder.pid}/root{self._folder}")
                self.is_small = True
                break
            self._end()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_small:
            self._end()

    def fill(self) -> None:
        """Leaves not one byte free."""
        if not self.is_small:
            return
        with (self.seen / FILLING).open("ab", buffering=0) as file:
            try:
                while file.write(bytes(2**16)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def empty(self) -> None:
        """Frees it again."""
        (self.seen / FILLING).unlink(missing_ok=True)

    def files(self) -> list[str]:
        """What is on it, without folders."""
        found = []
        for folder, _, names in os.walk(self.seen):
            found += [str(Path(folder, name).relative_to(self.seen)) for name in names]
        return found

    def _end(self) -> None:
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(10)
