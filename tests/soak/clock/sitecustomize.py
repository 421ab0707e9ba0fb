"""Lets the wall clock of a Python process jump: `time.time` is off by the seconds in a file.

Python imports this at its start where the folder is on PYTHONPATH. The machine's own clock and what
is not written in Python stay as they are. So gRPC's Python has to as well: it makes deadlines that
its C holds against the clock.
"""

import mmap
import os
import struct
import sys
import time
from pathlib import Path

if _file := os.environ.get("SOAK_CLOCK"):
    with Path(_file).open("rb") as _opened:
        _shared = mmap.mmap(_opened.fileno(), 8, access=mmap.ACCESS_READ)
    _time, _time_ns = time.time, time.time_ns

    def _seconds() -> float:
        name = sys._getframe(2).f_globals.get("__name__", "")
        return 0.0 if name.startswith("grpc.") else struct.unpack("d", _shared)[0]

    time.time = lambda: _time() + _seconds()
    time.time_ns = lambda: _time_ns() + int(1e9 * _seconds())
