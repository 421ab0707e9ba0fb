"""Versions of a model in a folder that servers watch: each appears and disappears atomically."""

import shutil
from collections.abc import Callable
from pathlib import Path


def find_versions(base_path: Path) -> list[Path]:
    """Returns the folders with a number as their name, in ascending order."""
    versions = [path for path in base_path.glob("[0-9]*") if path.name.isdecimal()]
    return sorted(versions, key=lambda path: int(path.name))


def replace_version(version: Path, write: Callable[[Path], None]) -> None:
    """Writes a version next to its final path, then moves it there.

    If writing fails, an existing version stays and no other files are left.

    Args:
        version: the folder to create or replace.
        write: creates the folder it is given, which does not exist.
    """
    unfinished = version.with_name(f"unfinished-{version.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        write(unfinished)
        if version.exists():
            remove_version(version)
        unfinished.rename(version)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def remove_version(version: Path) -> None:
    """Removes a version from the servers' view at once, then deletes its files."""
    leaving = version.with_name(f"leaving-{version.name}")
    shutil.rmtree(leaving, ignore_errors=True)
    version.rename(leaving)
    shutil.rmtree(leaving)
