"""What processes hold in memory, read from /proc."""

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def pid_of(port: int) -> int:
    """The process that was started with `--port=PORT`."""
    flag = f"--port={port}".encode()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                if flag in (process / "cmdline").read_bytes().split(b"\0"):
                    return int(process.name)
            except OSError:
                continue  # it has just ended
    raise LookupError(f"no process was started with {flag.decode()}")


def held(pid: int) -> int:
    """Bytes that the process and its children hold; 0 if it is no more."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in threads for child in (task / "children").read_text().split()]
    except OSError:
        return 0
    return pages * _PAGE + sum(held(int(child)) for child in children)
