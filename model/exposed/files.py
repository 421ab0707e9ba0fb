"""Files of an exposed model, relative to its folder."""

from pathlib import Path

VERSION = 1
FINGERPRINT_FILE = Path("assets.extra") / "exposed"  # also marks the model as an exposed one
