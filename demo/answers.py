"""What the page's server answers to a visitor's browser: eight questions, by name.

A question is a JSON object, whose field `ask` names it, and a drawing beside it where it is about
one; an answer is a JSON object, and the picture of the layers beside it where it has one.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np

from demo.anatomy import dissect
from demo.errors import Forgotten, RequestError
from demo.kept import Kept
from demo.likes import tell_likes
from demo.look import SHOWN, ask_weights, explain, reading_of, show
from demo.metrics import Metrics
from demo.reader import TURN_SECONDS, Reader
from demo.render import Style, check_style, render_contributions
from demo.takes import Take
from demo.versions import ServedVersions
from serving.client import (
    Client,
    ModelNotLoaded,
    Prediction,
    ServerBusy,
    ServerUnreachable,
    ServingError,
)

SIDE = 112  # pixels of the drawing that is sent: four for each of MNIST's
AWAY = (
    "The model server does not answer. Your drawing is kept, and the page goes on by itself as "
    "soon as the server is back."
)
BUSY = "The model server is busy. Your drawing is kept, and is read as soon as there is room."
FAILED = "The page itself has failed at this; its log on the server says at what. Draw on."
LONGEST_NAME = 64  # characters of what a visitor's browser calls itself
PLACE = ("layer", "map", "row", "column")
THREADS = 4  # questions that wait for the model server at once, but for drawings to look at
_log = logging.getLogger(__name__)

T = TypeVar("T")
Answer = dict[str, Any]  # JSON, but for `sheet`, which is the bytes of a PNG


class Question(dict[str, Any]):
    """The JSON object that a browser has sent, and what came beside it.

    Args:
        visitor: who asks.
        fields: the JSON, known to be an object.
        pixels: of the drawing, SIDE x SIDE bytes, 0 = paper, 255 = ink; None without one.
    """

    def __init__(self, visitor: str, fields: Mapping[str, Any], pixels: bytes | None):
        super().__init__(fields)
        self.visitor, self._pixels = visitor, pixels

    def field(self, name: str) -> Any:
        if name not in self:
            raise RequestError(f"{name} is missing")
        return self[name]

    def place(self) -> dict[str, Any]:
        return {name: self.field(name) for name in PLACE}

    def drawing(self) -> np.ndarray:
        """uint8 [SIDE, SIDE]."""
        if self._pixels is None or len(self._pixels) != SIDE * SIDE:
            raise RequestError(f"a drawing must be {SIDE}x{SIDE} bytes")
        return np.frombuffer(self._pixels, np.uint8).reshape(SIDE, SIDE)

    def version(self) -> int | None:
        """That is to read the drawing; None is the newest."""
        version = self.field("version")
        if version is not None and not (type(version) is int and 0 <= version < 2**63):
            raise RequestError("a version must be a number, or null for the newest")
        return version

    def style(self) -> Style:
        return check_style(self.field("style"))

    def shown(self) -> str:
        return check_style({"shown": self.field("shown")})["shown"]


class Answers:
    """Answers the visitors of one page, in its event loop.

    Args:
        client: of the model server.
        takes: what can be taken along of a drawing, by name (`demo.takes`).
        metrics: where answers are counted.
    """

    def __init__(self, client: Client, takes: Mapping[str, Take], metrics: Metrics):
        self._client, self._takes, self._metrics = client, takes, metrics
        self._kept = Kept()
        self._reader = Reader(client, SHOWN)
        self._versions = ServedVersions(partial(client.versions, timeout=1))
        metrics.waiting.set_function(lambda: self._reader.waiting)
        functions = (self.look_at, self.keep, self.tell_why, self.take, self.repaint)
        functions += (self.tell_unit, self.take_apart, self.tell_likes)
        self._threads = ThreadPoolExecutor(THREADS, "answers")
        self._places = asyncio.Semaphore(THREADS)
        self._functions: dict[str, Callable[[Question], Awaitable[Answer]]]
        self._functions = {function.__name__: function for function in functions}

    async def answer(self, question: Question) -> Answer:
        """Every error is a sentence. It is marked `final` where asking again would not help, and
        `busy` where asking again should wait.
        """
        name = question.get("ask")
        if not isinstance(name, str) or name not in self._functions:
            return _refuse(f"what can be asked is {', '.join(self._functions)}")
        started = time.perf_counter()
        answer = await self._answer(name, question)
        self._metrics.answered(name, _outcome_of(answer), time.perf_counter() - started)
        return answer

    async def _answer(self, name: str, question: Question) -> Answer:
        try:
            return await self._functions[name](question)
        except Forgotten:
            return {"forgotten": True}  # the browser has it read anew
        except RequestError as error:
            return _refuse(str(error))
        except ServerBusy:
            return {"error": BUSY, "busy": True}
        except ServerUnreachable:
            return {"error": AWAY}
        except ModelNotLoaded as error:
            return {"error": str(error)}
        except ServingError as error:
            return {"error": str(error), "final": True}
        except Exception:
            _log.exception("%s failed", name)
            return {"error": FAILED, "final": True}

    def forget(self, visitor: str) -> None:
        """Keeps nothing more of a visitor who has left."""
        self._kept.drop(visitor)

    async def look_at(self, question: Question) -> Answer:
        """Reads a drawing and shows it."""
        drawing, style = question.drawing(), question.style()
        activations, gone = await self._read(drawing, question.version())
        self._kept.put(question.visitor, activations)
        try:
            return {**await self._show_kept(question.visitor, style), **gone}
        except Forgotten:
            return {"lost": True}  # the drawing that it is compared with

    async def keep(self, question: Question) -> Answer:
        """Keeps a drawing as A, the one that others are compared with."""
        activations, _ = await self._read(question.drawing(), question.version())
        self._kept.put(question.visitor, activations, "A")
        return dict(reading_of(activations))

    async def tell_why(self, question: Question) -> Answer:
        """Which ink speaks for a digit, and which against."""
        digit = question.field("digit")
        if digit is not None and not (type(digit) is int and 0 <= digit <= 9):
            raise RequestError("the digit must be 0 to 9, or null for the one that is read")
        told = await self._in_thread(
            explain, self._client, question.drawing(), digit, question.version()
        )
        return {
            "digit": int(told["digits"]),
            "picture": render_contributions(told["contributions"]),
            "field": (told["fields"] / SIDE).tolist(),
        }

    async def take(self, question: Question) -> Answer:
        """A drawing, or its activations, to be taken along."""
        what, page = question.field("what"), str(question.field("page"))
        if what not in list(self._takes):
            raise RequestError(f"what can be taken along is {', '.join(self._takes)}")
        taken = await self._in_thread(
            self._takes[what], question.drawing(), question.version(), page
        )
        return {"taken": taken}

    # What follows is of the visitor's last drawing and costs no prediction.

    async def repaint(self, question: Question) -> Answer:
        """Shows it in another style."""
        return await self._show_kept(question.visitor, question.style())

    async def tell_unit(self, question: Question) -> Answer:
        """One unit of it, exactly."""
        return dict(self._kept.unit(question.visitor, question.shown(), **question.place()))

    async def take_apart(self, question: Question) -> Answer:
        """How a unit of it adds up."""
        answer = self._of_one(question)
        weights = partial(ask_weights, self._client, version=answer.version)
        return dict(await self._in_thread(dissect, answer, weights, **question.place()))

    async def tell_likes(self, question: Question) -> Answer:
        """What drives a map most, in the version that has read it."""
        layer, map = question.field("layer"), question.field("map")
        version = self._of_one(question).version
        return dict(await self._in_thread(tell_likes, self._client, version, layer, map))

    async def _in_thread(self, function: Callable[..., T], *args: object, **kwargs: object) -> T:
        """Calls what waits for the model server.

        Raises:
            ServerBusy: so many others wait for it that the turn did not come in time.
        """
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise ServerBusy("too many questions wait for the model server") from None
        loop = asyncio.get_running_loop()
        call = self._threads.submit(function, *args, **kwargs)
        # A call goes on when nobody waits for its answer any more, and so keeps its place.
        call.add_done_callback(lambda _: loop.call_soon_threadsafe(self._places.release))
        return await asyncio.wrap_future(call)

    async def _read(
        self, drawing: np.ndarray, version: int | None
    ) -> tuple[Prediction, dict[str, int]]:
        """The activations, by the newest version, which is then said, if theirs is gone."""
        try:
            return await self._reader.read(drawing, version), {}
        except ModelNotLoaded:
            if version is None:
                raise
            self._versions.forget()
            return await self._reader.read(drawing), {"gone": version}

    async def _show_kept(self, visitor: str, style: Style) -> Answer:
        of, answer = style.get("shown", "B"), self._kept.get(visitor)
        return {
            **show(answer, style, self._kept.get(visitor, of)),
            "version": answer.version,
            # The version whose arithmetic, and whose maps' likes, can be asked for.
            "shown_version": self._kept.get(visitor, "A" if of == "A" else "B").version,
            "versions": await self._versions.now(answer.version),
        }

    def _of_one(self, question: Question) -> Prediction:
        """The drawing that is shown, B of two that are compared."""
        return self._kept.get(question.visitor, "A" if question.shown() == "A" else "B")


def _outcome_of(answer: Answer) -> str:
    if "error" not in answer:
        return "forgotten" if "forgotten" in answer else "answered"
    return "busy" if "busy" in answer else "refused" if "final" in answer else "away"


def _refuse(why: str) -> Answer:
    readable = why.encode(errors="replace").decode()  # a name that was sent may be no Unicode
    return {"error": f"The page cannot answer this: {readable}.", "final": True}
