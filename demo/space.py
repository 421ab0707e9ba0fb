"""Entry point of a Hugging Face Space: runs `python -m demo` from the root of the repository."""

import runpy
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent)
runpy.run_module("demo", run_name="__main__")
