"""The memory of processes, read from /proc."""

import os
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def find_pid(port: int) -> int:
    """Returns the id of the process that was started with `--port=PORT`.

    Raises:
        LookupError: there is no such process.
    """
    flag = f"--port={port}".encode()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                if flag in (process / "cmdline").read_bytes().split(b"\0"):
                    return int(process.name)
            except OSError:
                continue  # it has exited
    raise LookupError(f"no process was started with {flag.decode()}")


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process and its children; 0 if it has exited."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in threads for child in (task / "children").read_text().split()]
    except OSError:
        return 0
    return pages * _PAGE_BYTES + sum(resident_bytes(int(child)) for child in children)
