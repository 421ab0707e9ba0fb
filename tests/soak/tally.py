"""What those who asked have got: right answers, clear errors, broken connections, and the rest."""

import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

RIGHT, CLEAR, BROKEN, WRONG = "right", "clear error", "connection broken", "wrong or unclear"
_SENTENCE = re.compile(r"(?=.* .* .* ).{20,}", re.DOTALL)  # of four words, and no mere name
MAX_TOLD = 10  # of the wrong ones


@dataclass
class Tally:
    """The outcomes of one kind of caller, counted from several threads."""

    kind: str
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)  # the clear ones, by their beginning
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def right(self) -> None:
        with self._lock:
            self.counts[RIGHT] += 1

    def error(self, sentence: object) -> None:
        """An error that was answered: clear if it is a sentence."""
        if not isinstance(sentence, str) or not _SENTENCE.fullmatch(sentence):
            return self.fail(f"an error that is no sentence: {sentence!r}")
        with self._lock:
            self.counts[CLEAR] += 1
            self.errors[re.sub(r"\d+", "#", sentence)[:60]] += 1
        return None

    def broken(self) -> None:
        """The connection broke, and it is known why."""
        with self._lock:
            self.counts[BROKEN] += 1

    def fail(self, what: str) -> None:
        """What may not be."""
        with self._lock:
            self.counts[WRONG] += 1
            if len(self.wrong) < MAX_TOLD:
                self.wrong.append(f"{time.strftime('%H:%M:%S')} {self.kind}: {what[:600]}")
