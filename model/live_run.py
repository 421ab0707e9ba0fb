"""A folder of versions that grows while a network trains, so that a page shows it learning.

Version numbers keep runs apart: version 2000050 is step 50 of run 2.
"""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from model.export import FINGERPRINT_FILE
from model.learning_curve import is_spaced
from model.versions import find_versions, remove_version, replace_version

VERSIONS_PER_RUN = 1_000_000
SPACING = (1, 2, 5)  # times 1, 10, 100, …: the steps that are exported


class LiveRun:
    """The versions of one run.

    The first version removes those of earlier runs. A run that finds versions of a later one adds
    no more.

    Args:
        base_path: folder that servers watch.
        number: of the run, from `reserve_run`.
        keep: number of versions to keep, the newest ones; None for all.
    """

    def __init__(self, base_path: Path, number: int, keep: int | None = None):
        self._base_path, self._number, self._keep = base_path, number, keep
        self.version_offset = number * VERSIONS_PER_RUN

    def add(self, step: int, write: Callable[[Path], None]) -> None:
        """Adds a version, which appears atomically.

        Args:
            step: of the training.
            write: writes the SavedModel to a folder, which does not exist.

        Raises:
            OSError: the folder cannot be written, or a later run has started.
        """

        def write_marked(unfinished: Path) -> None:
            write(unfinished)
            mark = unfinished / FINGERPRINT_FILE  # so that `export.py` removes it
            mark.parent.mkdir(exist_ok=True)
            mark.write_text(f"live run {self._number}\n")

        runs = _find_runs(self._base_path)
        if max(runs.values(), default=0) > self._number:
            raise OSError(f"a later run exports to {self._base_path}")
        self._base_path.mkdir(parents=True, exist_ok=True)
        replace_version(self._base_path / str(self.version_offset + step), write_marked)
        own = [path for path, run in runs.items() if run == self._number]
        outdated = [path for path, run in runs.items() if run != self._number]
        if self._keep:
            outdated += own[: max(0, len(own) + 1 - self._keep)]
        for path in outdated:
            with contextlib.suppress(FileNotFoundError):  # its own run removed it
                remove_version(path)
        _remove_unfinished(self._base_path, self._number)


def is_exported(step: int) -> bool:
    """Returns whether a step is exported: 1, 2, 5, 10, 20, 50, …"""
    return is_spaced(step, SPACING)


def reserve_run(base_path: Path, snapshots: Path) -> int:
    """Returns a number that no other run has, and creates the run's folder of snapshots.

    Args:
        base_path: folder of the versions.
        snapshots: parent of the runs' folders of snapshots, from `snapshots_of`.

    Raises:
        OSError: the folder cannot be created.
    """
    exported = [_number_of(path) // VERSIONS_PER_RUN for path in find_versions(base_path)]
    names = (path.name.removeprefix("live-") for path in snapshots.glob("live-*"))
    number = 1 + max([*exported, *(int(name) for name in names if name.isdecimal())], default=0)
    while True:
        try:
            snapshots_of(number, snapshots).mkdir(parents=True)
            return number
        except FileExistsError:  # a run that started at the same moment has it
            number += 1


def snapshots_of(run: int, snapshots: Path) -> Path:
    """Returns the folder of a run's snapshots."""
    return snapshots / f"live-{run}"


def _find_runs(base_path: Path) -> dict[Path, int]:
    """Returns the run of each version that `LiveRun.add` wrote."""
    marks = {path: path / FINGERPRINT_FILE for path in find_versions(base_path)}
    return {
        path: _number_of(path) // VERSIONS_PER_RUN
        for path, mark in marks.items()
        if mark.exists() and mark.read_text().startswith("live run")
    }


def _number_of(version: Path) -> int:
    return int(version.name)


def _remove_unfinished(base_path: Path, number: int) -> None:
    """Removes what killed runs left behind: servers ignore it, but it takes space."""
    for path in (*base_path.glob("unfinished-*"), *base_path.glob("leaving-*")):
        name = path.name.partition("-")[2]
        if name.isdecimal() and 0 < int(name) // VERSIONS_PER_RUN < number:
            shutil.rmtree(path, ignore_errors=True)
