"""A small disk that can be filled: a tmpfs that only the page sees.

It is mounted in a new mount namespace. A process keeps the namespace alive until its standard
input is closed, so the disk disappears with the campaign, even if that is killed.
"""

import errno
import os
import subprocess
from pathlib import Path

FILLER = "filler"  # name of the file that fills the disk
SIZE = 16 * 2**20  # bytes
# Options of `unshare` to create the namespace and of `nsenter` to enter it: as root, as a user.
NAMESPACE_OPTIONS = (
    (["--mount"], ["--mount"]),
    (["--user", "--map-root-user", "--mount"], ["--user", "--preserve-credentials", "--mount"]),
)


class SmallDisk:
    """Mounts the disk on a folder, as a context manager.

    Without the right to mount, the folder stays an ordinary one, `is_small` is False, and `fill`
    does nothing.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self.is_small = False
        self.enter: list[str] = []  # prefix of a command that runs in the namespace
        self.path = folder  # path of the disk from this process

    def __enter__(self) -> "SmallDisk":
        mount = f'mount -t tmpfs -o size={SIZE},mode=1777 tmpfs "$0" && echo mounted && exec cat'
        for unshare, nsenter in NAMESPACE_OPTIONS:
            self._holder = subprocess.Popen(
                ["unshare", *unshare, "sh", "-c", mount, self._folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            if self._holder.stdout.readline():
                target = f"--target={self._holder.pid}"
                self.enter = ["nsenter", target, *nsenter, "env", f"--chdir={Path.cwd()}"]
                self.path = Path(f"/proc/{self._holder.pid}/root{self._folder}")
                self.is_small = True
                break
            self._unmount()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_small:
            self._unmount()

    def fill(self) -> None:
        """Fills the disk to the last byte."""
        if not self.is_small:
            return
        with (self.path / FILLER).open("ab", buffering=0) as file:
            try:
                while file.write(bytes(2**16)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def empty(self) -> None:
        """Undoes `fill`."""
        (self.path / FILLER).unlink(missing_ok=True)

    def files(self) -> list[str]:
        """Returns the relative paths of all files on the disk."""
        found = []
        for folder, _, names in os.walk(self.path):
            found += [str(Path(folder, name).relative_to(self.path)) for name in names]
        return found

    def _unmount(self) -> None:
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(10)
