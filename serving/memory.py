"""Makes glibc return the memory of large requests to the system and keep that of ordinary ones.

By default, glibc keeps large blocks as well, in each thread.
"""

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from <malloc.h>
LARGE_BYTES = 4 * 2**20  # a larger block is mapped, and returned to the system when freed
# Free memory that is kept. With a fixed LARGE_BYTES, glibc would keep 128 kB, and every answer for
# eight drawings would request its pages again, which costs a fifth of the page's throughput.
KEPT_BYTES = 8 * 2**20


def tune_malloc() -> None:
    """Sets both thresholds; does nothing with a C library other than glibc."""
    with contextlib.suppress(AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
