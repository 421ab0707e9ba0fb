"""Exports a Keras file in a separate process.

However that process ends, even if it is killed for lack of memory, no partial export is left.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def export_keras_file(flags: Sequence[str], base_path: Path) -> int:
    """Exports a model to `base_path/1`; the process prints what it did or what is wrong.

    Args:
        flags: of `arguments.add_keras_arguments`.
        base_path: destination folder.

    Returns:
        The exit code, 0 on success.
    """
    command = [sys.executable, "-m", "model.exposed", f"--out={base_path}", *flags]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    code = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}).returncode
    for unfinished in base_path.glob("unfinished-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if code < 0:
        print(
            f"export.py: signal {-code} ended the export; most likely the model needs more memory "
            "than is free. Close other programs, or expose fewer layers with --layers.",
            file=sys.stderr,
        )
    return abs(code)
