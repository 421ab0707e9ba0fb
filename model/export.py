"""A folder of snapshots -> a base path for TensorFlow Serving; writes only what has changed.

Each version stores a fingerprint of its sources: the weights, this code and the TensorFlow version
that traced it. A version whose fingerprint matches is not written again. The file also records
whether the weights were the released ones.
"""

import hashlib
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from model.learning_curve import FILE as CURVE_FILE
from model.versions import find_versions, remove_version, replace_version
from model.weights import RELEASED, features_path, load_kernel

FINGERPRINT_FILE = Path("assets.extra") / "fingerprint"
RELEASED_MARK = "released"
VARIABLES_FILE = Path("variables") / "variables.data-00000-of-00001"


class Export(NamedTuple):
    """Version numbers, grouped by what happened to them."""

    written: list[int]
    replaced: list[int]
    kept: list[int]
    removed: list[int]


def export_versions(
    snapshots: dict[int, Path], base_path: Path, spared: Collection[int] = ()
) -> Export:
    """Writes `base_path/<step>` for every snapshot and removes other exported versions.

    Each version appears atomically, since servers watch the folder. Folders without a fingerprint
    are left alone.

    Args:
        snapshots: weights by training step.
        base_path: the folder of the versions.
        spared: versions that are neither replaced nor removed.
    """
    versions = {step: base_path / str(step) for step in snapshots}
    fingerprints = {step: _fingerprint(path) for step, path in snapshots.items()}
    stale = [step for step in versions if _read_fingerprint(versions[step]) != fingerprints[step]]
    replaced = [step for step in stale if versions[step].exists()]
    if stale:
        from model.saved_model import make_snapshot_writer  # takes seconds to import

        write_snapshot = make_snapshot_writer()
    for step in stale:

        def write(unfinished: Path, step: int = step) -> None:
            write_snapshot(snapshots[step], unfinished)
            source = RELEASED_MARK if snapshots[step].parent == RELEASED else ""
            (unfinished / FINGERPRINT_FILE).write_text(f"{fingerprints[step]}\n{source}")

        replace_version(versions[step], write)
    old = [
        int(path.name)
        for path in find_versions(base_path)
        if int(path.name) not in (*versions, *spared) and _read_fingerprint(path)
    ]
    for step in old:
        remove_version(base_path / str(step))
    written = [step for step in stale if step not in replaced]
    kept = [step for step in versions if step not in stale]
    return Export(written, replaced, kept, old)


def find_others(base_path: Path) -> list[int]:
    """Returns the versions whose weights are neither of this release nor of an earlier one."""
    return [int(path.name) for path in find_versions(base_path) if not _is_released(path)]


def _is_released(version: Path) -> bool:
    file = version / FINGERPRINT_FILE
    if file.exists() and RELEASED_MARK in file.read_text():
        return True
    # Early exports have no mark: compare a kernel, since a checkpoint stores tensors uncompressed.
    snapshot, variables = RELEASED / f"{version.name}.safetensors", version / VARIABLES_FILE
    if not (snapshot.exists() and variables.exists()):
        return False
    return load_kernel(snapshot).tobytes() in variables.read_bytes()


def _fingerprint(snapshot: Path) -> str:
    digest = hashlib.sha256(version("tensorflow").encode())
    folder = Path(__file__).parent
    code = sorted([*folder.glob("*.py"), *folder.glob("*.json"), *folder.glob("exposed/*.py")])
    data = [snapshot, features_path(snapshot), snapshot.parent / CURVE_FILE]
    for path in (*(path for path in data if path.exists()), *code):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read_fingerprint(saved_model: Path) -> str | None:
    path = saved_model / FINGERPRINT_FILE
    return path.read_text().partition("\n")[0] if path.exists() else None
