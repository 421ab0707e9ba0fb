"""A folder of snapshots -> a base path for TensorFlow Serving, doing only what is not done yet.

Each version carries the fingerprint of what it was made from: the weights, this code and the
TensorFlow that traced it. A version whose fingerprint still holds is left as it is. Beside the
fingerprint stands whether the weights were the released ones.
"""

import hashlib
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from model.versions import remove_version, replace_version
from model.weights import RELEASED, features_path, load_kernel

FINGERPRINT_FILE = Path("assets.extra") / "fingerprint"
RELEASED_MARK = "released"
VARIABLES_FILE = Path("variables") / "variables.data-00000-of-00001"


class Export(NamedTuple):
    """Version numbers, by what happened to them."""

    written: list[int]
    replaced: list[int]
    kept: list[int]
    removed: list[int]


def export_versions(
    snapshots: dict[int, Path], base_path: Path, spared: Collection[int] = ()
) -> Export:
    """Makes `base_path/<step>` of every snapshot, and of no other that an export made before.

    Those that are `spared` stay as they are. A version appears whole or not at all, since servers
    watch the folder. Folders that no export made are left alone.
    """
    versions = {step: base_path / str(step) for step in snapshots}
    fingerprints = {step: _fingerprint(path) for step, path in snapshots.items()}
    stale = [step for step in versions if _read_fingerprint(versions[step]) != fingerprints[step]]
    replaced = [step for step in stale if versions[step].exists()]
    for step in stale:
        from model.saved_model import write_saved_model  # seconds of import, if there is work only

        def write(unfinished: Path, step: int = step) -> None:
            write_saved_model(snapshots[step], unfinished)
            source = RELEASED_MARK if snapshots[step].parent == RELEASED else ""
            (unfinished / FINGERPRINT_FILE).write_text(f"{fingerprints[step]}\n{source}")

        replace_version(versions[step], write)
    old = [
        int(path.name)
        for path in base_path.iterdir()
        if path.name.isdecimal()
        and int(path.name) not in (*versions, *spared)
        and _read_fingerprint(path)
    ]
    for step in old:
        remove_version(base_path / str(step))
    written = [step for step in stale if step not in replaced]
    kept = [step for step in versions if step not in stale]
    return Export(written, replaced, kept, sorted(old))


def find_others(base_path: Path) -> list[int]:
    """The versions that are not of released weights, neither of these nor of an earlier release."""
    versions = (path for path in base_path.glob("[0-9]*") if path.name.isdecimal())
    return sorted(int(path.name) for path in versions if not _is_released(path))


def _is_released(version: Path) -> bool:
    file = version / FINGERPRINT_FILE
    if file.exists() and RELEASED_MARK in file.read_text():
        return True
    # Exports had no mark once; a checkpoint holds tensors as they are, one after the other.
    snapshot, variables = RELEASED / f"{version.name}.safetensors", version / VARIABLES_FILE
    if not (snapshot.exists() and variables.exists()):
        return False
    return load_kernel(snapshot).tobytes() in variables.read_bytes()


def _fingerprint(snapshot: Path) -> str:
    digest = hashlib.sha256(version("tensorflow").encode())
    here = Path(__file__).parent
    code = sorted([*here.glob("*.py"), *here.glob("*.json"), *here.glob("exposed/*.py")])
    for path in (snapshot, *snapshot.parent.glob(features_path(snapshot).name), *code):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read_fingerprint(saved_model: Path) -> str | None:
    path = saved_model / FINGERPRINT_FILE
    return path.read_text().partition("\n")[0] if path.exists() else None
