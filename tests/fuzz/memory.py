"""The memory of processes, read from /proc."""

import os
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process and its children; 0 if it has exited."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in threads for child in (task / "children").read_text().split()]
    except OSError:
        return 0
    return pages * _PAGE_BYTES + sum(resident_bytes(int(child)) for child in children)
