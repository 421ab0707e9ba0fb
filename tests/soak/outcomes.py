"""Counts the responses to clients: correct, clear errors, broken connections, and failures."""

import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

CORRECT, CLEAR_ERROR, DISCONNECTED, FAILED = (
    "correct",
    "clear error",
    "disconnected by a fault",
    "wrong or unclear",
)
_SENTENCE = re.compile(r"(?=.* .* .* ).{20,}", re.DOTALL)  # four words or more
MAX_FAILURES = 10  # that are kept in full


@dataclass
class Outcomes:
    """Outcomes of one kind of client; thread-safe."""

    client: str
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)  # clear errors, by their first words
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def correct(self) -> None:
        with self._lock:
            self.counts[CORRECT] += 1

    def error(self, message: object) -> None:
        """Counts an error response: clear if its message is a sentence, else a failure."""
        if not isinstance(message, str) or not _SENTENCE.fullmatch(message):
            return self.fail(f"an error message that is not a sentence: {message!r}")
        with self._lock:
            self.counts[CLEAR_ERROR] += 1
            self.errors[re.sub(r"\d+", "#", message)[:60]] += 1
        return None

    def disconnected(self) -> None:
        """Counts a connection that an injected fault has broken."""
        with self._lock:
            self.counts[DISCONNECTED] += 1

    def fail(self, description: str) -> None:
        """Counts a violation."""
        with self._lock:
            self.counts[FAILED] += 1
            if len(self.failures) < MAX_FAILURES:
                self.failures.append(
                    f"{time.strftime('%H:%M:%S')} {self.client}: {description[:600]}"
                )
