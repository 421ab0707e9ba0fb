"""Shifts the wall clock of a Python process: `time.time` is off by the seconds in a shared file.

Python imports this module at its start if the folder is on PYTHONPATH. The system clock and native
code are not affected; gRPC's Python code is exempt because it passes deadlines to gRPC's C core,
which compares them with the system clock.
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

    def _offset() -> float:
        caller = sys._getframe(2).f_globals.get("__name__", "")
        return 0.0 if caller.startswith("grpc.") else struct.unpack("d", _shared)[0]

    time.time = lambda: _time() + _offset()
    time.time_ns = lambda: _time_ns() + int(1e9 * _offset())
