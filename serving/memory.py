"""Memory that large requests have taken goes back to the system, and what all requests take stays.

Left to itself glibc keeps the large blocks as well, in each thread.
"""

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
LARGE = 4 * 2**20  # bytes of a block that comes from the system each time
# Bytes free that are kept. With a fixed LARGE glibc would keep 128 kB, and have each answer of
# eight drawings ask the system for its pages anew: a fifth of what the page can answer.
KEPT = 8 * 2**20


def tune_malloc() -> None:
    """Sets both thresholds; other C libraries than glibc have none, and are left as they are."""
    with contextlib.suppress(AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, KEPT)
