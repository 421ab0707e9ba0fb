"""Versions of a model in a folder that servers watch: each is there as a whole or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path


def replace_version(version: Path, write: Callable[[Path], None]) -> None:
    """Has a version written beside its place, and then puts it there.

    If the writing fails, what was there stays, and nothing else is left.

    Args:
        version: the folder.
        write: writes a folder, which does not exist.
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
    """Deletes a version, at one moment."""
    leaving = version.with_name(f"leaving-{version.name}")
    shutil.rmtree(leaving, ignore_errors=True)
    version.rename(leaving)
    shutil.rmtree(leaving)
