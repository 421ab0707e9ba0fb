"""Exporting a Keras file as a command does it: within the memory there is, or not at all.

The work is done by a process of its own. However that ends, even killed by the system for want of
memory, nothing half exported is left behind.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def export_keras_file(flags: Sequence[str], base_path: Path) -> int:
    """Exports the model that some flags name, as `base_path/1`; says what is wrong with it.

    Args:
        flags: of `arguments.add_keras_arguments`.
        base_path: where it goes.

    Returns:
        The exit code, 0 if it is there now.
    """
    command = [sys.executable, "-m", "model.exposed", f"--out={base_path}", *flags]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    code = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}).returncode
    for unfinished in base_path.glob("unfinished-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if code < 0:
        print(
            f"export.py: the export was ended by signal {-code}; most likely the model needs more "
            "memory than there is. Close other programs, or take a smaller model.",
            file=sys.stderr,
        )
    return abs(code)
