"""Memory that large requests have taken goes back to the system, so that a process stays small.

Left to itself glibc keeps it for the next one, in each thread.
"""

import contextlib
import ctypes

_M_MMAP_THRESHOLD = -3  # of <malloc.h>
LARGE = 4 * 2**20  # bytes of a block that comes from the system each time


def give_large_blocks_back() -> None:
    """From now on; other C libraries than glibc have no such setting, and are left as they are."""
    with contextlib.suppress(AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)
