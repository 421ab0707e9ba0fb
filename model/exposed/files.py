"""Where an exposed model is in its folder, and what it is known by."""

from pathlib import Path

VERSION = 1
MARK_FILE = Path("assets.extra") / "exposed"
