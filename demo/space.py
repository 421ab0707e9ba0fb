"""What a Hugging Face Space starts: `python -m demo` from the repository's root."""

import runpy
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent)
runpy.run_module("demo", run_name="__main__")
