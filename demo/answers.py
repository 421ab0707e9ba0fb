"""What the page's server answers to a visitor's browser: ten questions, by name.

A question is a JSON object, whose field `ask` names it, and a picture beside it where it is about
one; an answer is a JSON object, and the picture of the layers beside it where it has one.
"""

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from demo.arithmetic import Unit, as_maps, check_unit, dissect
from demo.batcher import QUEUE_SECONDS, Batcher
from demo.browser_description import describe_for_browser
from demo.description import Layer
from demo.downloads import CLASSIFY, Endpoint, make_downloads
from demo.errors import Expired, RequestError
from demo.examples import find_strip
from demo.metrics import Metrics
from demo.network import Inference, Network, Parameters
from demo.networks import SEPARATOR, Networks
from demo.prediction import prediction_of, render_prediction
from demo.render import Style, check_style, render_contributions, render_grid, render_map
from demo.versions import ServedVersions
from demo.visitor_cache import VisitorCache
from serving.client import (
    ModelNotLoaded,
    ServerBusy,
    ServerUnreachable,
    ServingError,
)

SIDE = 112  # pixels of a drawing that is sent: four for each of a field of 28
MAX_SIDE = 1024  # pixels of a picture that is sent
FORMATS = ("PNG", "JPEG", "WEBP")
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF")  # that their files begin with
AWAY = (
    "The model server does not answer. What you see is kept, and the page goes on by itself as "
    "soon as the server is back."
)
BUSY = "The model server is busy. Your picture is kept, and is read as soon as there is room."
FAILED = "The page itself has failed at this; its log on the server says at what. Go on."
MAX_NAME_LENGTH = 64  # characters of what a visitor's browser calls itself
THREADS = 4  # questions that wait for the model server at once, but for pictures to look at
_log = logging.getLogger(__name__)

T = TypeVar("T")
Answer = dict[str, Any]  # JSON, but for `sheet`, which is the bytes of a PNG


class Question(dict[str, Any]):
    """The JSON object that a browser has sent, and what came beside it.

    Args:
        visitor: who asks.
        fields: the JSON, known to be an object.
        content: of the picture; None without one.
    """

    def __init__(self, visitor: str, fields: Mapping[str, Any], content: bytes | None):
        super().__init__(fields)
        self.visitor, self._content = visitor, content or b""

    def field(self, name: str) -> Any:
        if name not in self:
            raise RequestError(f"{name} is missing")
        return self[name]

    @property
    def is_file(self) -> bool:
        """Whether the picture, if there is one, is no drawing."""
        return len(self._content) != SIDE * SIDE or self._content.startswith(MAGIC)

    def picture(self) -> np.ndarray:
        """uint8 [SIDE, SIDE, 1] of a drawing, whose bytes are sent as they are, 0 = paper and
        255 = ink; uint8 [H, W, 3] of a picture file.
        """
        if not self.is_file:
            return np.frombuffer(self._content, np.uint8).reshape(SIDE, SIDE, 1)
        try:
            with Image.open(io.BytesIO(self._content), formats=FORMATS) as picture:
                if max(picture.size) <= MAX_SIDE:
                    return np.asarray(picture.convert("RGB"))
        except Exception:  # Pillow has no kind of its own for files that are broken
            pass
        raise RequestError(
            f"a drawing must be {SIDE}x{SIDE} bytes, and a picture a {' or '.join(FORMATS)} file "
            f"of at most {MAX_SIDE} pixels a side"
        )

    def version(self) -> int | None:
        """That is to read the picture; None is the newest."""
        version = self.field("version")
        if version is not None and not (type(version) is int and 0 <= version < 2**63):
            raise RequestError("a version must be a number, or null for the newest")
        return version

    def layers(self) -> tuple[int, ...]:
        """Numbers of layers, in order."""
        layers = self.field("layers")
        is_right = isinstance(layers, list) and all(type(one) is int for one in layers)
        if not is_right or any(not 0 <= one < 2**31 for one in layers):
            raise RequestError("layers must be a list of numbers")
        return tuple(sorted(set(layers)))

    def style(self) -> Style:
        return check_style(self.field("style"))

    def shown(self) -> str:
        return check_style({"shown": self.field("shown")})["shown"]


class Answers:
    """Answers the visitors of one page, in its event loop.

    Args:
        networks: that are shown.
        place: where the requests that they can take along are answered.
        metrics: where answers are counted.
    """

    def __init__(self, networks: Networks, endpoint: Endpoint, metrics: Metrics):
        self._networks, self._endpoint, self._metrics = networks, endpoint, metrics
        self._kept = VisitorCache()
        self._readers: dict[str, Batcher] = {}
        self._versions: dict[str, ServedVersions] = {}
        metrics.waiting.set_function(lambda: sum(one.waiting for one in self._readers.values()))
        functions = (self.describe, self.predict, self.keep, self.explain, self.download)
        functions += (self.repaint, self.inspect_unit, self.decompose_unit)
        functions += (self.show_map, self.map_features)
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
        except Expired:
            return {"expired": True}  # the browser has it read anew
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

    async def describe(self, question: Question) -> Answer:
        """What a model is, for the browser to build its galleries from."""
        network = await self._network(question)
        description = await self._in_thread(network.description, question.version())
        can_take = CLASSIFY in description.signatures
        takes = make_downloads(network, self._endpoint) if can_take else ()
        return describe_for_browser(
            description, self._name(question), self._networks.names, list(takes), SIDE
        )

    async def predict(self, question: Question) -> Answer:
        """Reads a picture and shows some layers of it."""
        picture, style, layers = await _picture(question), question.style(), question.layers()
        seen, gone = await self._read(question, picture, layers, question.version())
        self._kept.put(question.visitor, seen)
        try:
            return {**await self._show(question, seen, style, layers), **gone}
        except Expired:
            return {"reference_expired": True}  # the picture that it is compared with

    async def keep(self, question: Question) -> Answer:
        """Keeps a picture as A, the one that others are compared with."""
        layers = question.layers()
        seen, _ = await self._read(question, await _picture(question), layers, question.version())
        self._kept.put(question.visitor, seen, "A")
        return dict(prediction_of(seen))

    async def explain(self, question: Question) -> Answer:
        """Which parts of a picture speak for a class, and which against."""
        network, label = await self._network(question), question.field("label")
        if label is not None and not (type(label) is int and 0 <= label < 2**31):
            raise RequestError("the label must be the number of a class, or null for the likeliest")
        told = await self._in_thread(
            network.explain, await _picture(question), label, question.version()
        )
        return {
            "label": told.label,
            "picture": render_contributions(told.contributions),
            "field": told.field.tolist(),
        }

    async def download(self, question: Question) -> Answer:
        """A picture, or its activations, to be taken along."""
        takes = make_downloads(await self._network(question), self._endpoint)
        what, page = question.field("what"), str(question.field("page"))
        if what not in list(takes):
            raise RequestError(f"what can be taken along is {', '.join(takes)}")
        taken = await self._in_thread(
            takes[what], await _picture(question), question.version(), page
        )
        return {"content": taken}

    # What follows is of the visitor's last picture.

    async def repaint(self, question: Question) -> Answer:
        """Shows it in another style, or other layers of it."""
        layers, style = question.layers(), question.style()
        return await self._show(question, self._kept_one(question), style, layers)

    async def inspect_unit(self, question: Question) -> Answer:
        """One unit of it, exactly, and its map."""
        layer, map, row, column = self._place(question)
        check_unit(layer, map, row, column)
        maps = await self._maps(question, layer)
        one = maps[:, :, map]  # [height, width]
        there = one.reshape(-1)[: layer.shown_units]
        return {
            "value": float(one[row, column]),
            "largest": float(there.max()),
            "mean": float(there.mean()),
        }

    async def decompose_unit(self, question: Question) -> Answer:
        """How a unit of it adds up; of a map alone, its strongest unit."""
        layer, map, row, column = self._place(question)
        check_unit(layer, map)
        seen, network = self._of_one(question), await self._network(question)
        if row is None or column is None:
            maps = as_maps(layer, await self._full(question, seen, layer))
            there = maps[:, :, map].reshape(-1)[: layer.shown_units]
            row, column = divmod(int(there.argmax()), maps.shape[1])
        check_unit(layer, map, row, column)
        for index in {layer.index, *layer.sources}:
            await self._full(question, seen, seen.description.layers[index])

        def full(layer: Layer) -> np.ndarray:
            kept = self._kept.full(seen, layer.index)
            return network.activations(seen.picture, layer, seen.version) if kept is None else kept

        def parameters(layer: Layer, map: int) -> Parameters:
            return network.parameters(layer, map, seen.version)

        unit = Unit(seen.description, layer, map, row, column, full, parameters)
        return dict(await self._in_thread(dissect, unit))

    async def show_map(self, question: Question) -> Answer:
        """A map of it in full."""
        layer, map, *_ = self._place(question)
        check_unit(layer, map)
        style = question.style()
        maps = (await self._maps(question, layer))[:, :, map]
        held = style["held"] if style.get("scale") == "held" else {}
        least = self._of_one(question).description.min_scale
        brightest = max(held.get(str(layer.index)) or float(np.abs(maps).max()), least)
        return {"picture": render_map(maps, layer, brightest, style)}

    async def map_features(self, question: Question) -> Answer:
        """What drives a map most, in the version that has read it."""
        layer, map, *_ = self._place(question)
        check_unit(layer, map)
        seen, network = self._of_one(question), await self._network(question)
        feature, made = None, seen.description.made(layer)
        if made.has_parameters and "parameters" in seen.description.signatures:
            told = await self._in_thread(network.parameters, made, map, seen.version)
            feature = render_grid(told.feature, "grey", 255) if told.feature.size else None
        examples = await self._in_thread(find_strip, network, seen.description, layer, map)
        return {"feature": feature, "examples": examples}

    async def _in_thread(self, function: Callable[..., T], *args: object, **kwargs: object) -> T:
        """Calls what waits for the model server.

        Raises:
            ServerBusy: so many others wait for it that the turn did not come in time.
        """
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise ServerBusy("too many questions wait for the model server") from None
        loop = asyncio.get_running_loop()
        call = self._threads.submit(function, *args, **kwargs)
        # A call goes on when nobody waits for its answer any more, and so keeps its place.
        call.add_done_callback(lambda _: loop.call_soon_threadsafe(self._places.release))
        return await asyncio.wrap_future(call)

    def _name(self, question: Question) -> str:
        name = question.field("model")
        if name is None:
            return self._networks.first
        if not isinstance(name, str):
            raise RequestError("a model must be named, or null for the first")
        return name

    async def _network(self, question: Question) -> Network:
        name = self._name(question)
        network = self._networks.known(name)
        try:
            network = network or await self._in_thread(self._networks.find, name)
        except KeyError:
            known = ", ".join(self._networks.names)
            raise RequestError(f"the models here are {known}") from None
        if name not in self._readers:
            self._readers[name] = Batcher(network)
            self._versions[name] = ServedVersions(partial(network.client.versions, timeout=1))
        return network

    def _place(self, question: Question) -> tuple[Layer, Any, Any, Any]:
        """The layer that is asked about, and map, row and column as they were sent."""
        layer = self._of_one(question).description.find_layer(question.field("layer"))
        return layer, question.field("map"), question.field("row"), question.field("column")

    async def _read(
        self,
        question: Question,
        picture: np.ndarray,
        layers: Sequence[int],
        version: int | None,
    ) -> tuple[Inference, dict[str, int]]:
        """The picture as seen, by the newest version, which is then said, if theirs is gone."""
        await self._network(question)
        name = self._name(question)
        try:
            return await self._readers[name].read(picture, layers, version), {}
        except ModelNotLoaded:
            if version is None:
                raise
            self._versions[name].forget()
            return await self._readers[name].read(picture, layers), {"unavailable_version": version}

    async def _show(
        self, question: Question, seen: Inference, style: Style, layers: Sequence[int]
    ) -> Answer:
        """What is shown of the visitor's pictures, of which `seen` is B."""
        of = style.get("shown", "B")
        shown = {"B": seen} if of != "A" else {}
        if of != "B":
            shown["A"] = self._kept_one(question, "A")
        await self._network(question)
        for name, one in shown.items():
            if not set(layers) <= one.maps.keys():
                more, _ = await self._read(question, one.picture, layers, one.version)
                self._kept.put(question.visitor, more, name)
                shown[name] = more
        last = shown["A"] if of == "A" else shown["B"]
        maps = last.maps
        if of == "difference":
            _check_alike(shown["A"], last)
            maps = {index: last.maps[index] - shown["A"].maps[index] for index in layers}
        description = last.description
        return {
            **render_prediction(
                seen, [description.find_layer(index) for index in layers], maps, style
            ),
            "network": description.identity,
            "version": seen.version,
            # The version whose arithmetic, and whose maps' likes, can be asked for.
            "shown_version": last.version,
            "versions": await self._versions[self._name(question)].now(seen.version),
        }

    def _of_one(self, question: Question) -> Inference:
        """The picture that is shown, B of two that are compared."""
        return self._kept_one(question, "A" if question.shown() == "A" else "B")

    def _kept_one(self, question: Question, name: str = "B") -> Inference:
        """The visitor's last picture of that name, if it is the asked model that has read it."""
        seen = self._kept.get(question.visitor, name)
        if seen.description.model != self._name(question).partition(SEPARATOR)[0]:
            raise Expired(f"{name} of {question.visitor} has been read by another model")
        return seen

    async def _maps(self, question: Question, layer: Layer) -> np.ndarray:
        """The maps that are shown, in full: float32 [height, width, maps]."""
        if question.shown() != "difference":
            return as_maps(layer, await self._full(question, self._of_one(question), layer))
        a, b = (self._kept_one(question, name) for name in "AB")
        _check_alike(a, b)
        full = [await self._full(question, one, layer) for one in (a, b)]
        return as_maps(layer, full[1] - full[0])

    async def _full(self, question: Question, seen: Inference, layer: Layer) -> np.ndarray:
        """All activations of a layer, asked for once."""
        kept = self._kept.full(seen, layer.index)
        if kept is None:
            network = await self._network(question)
            kept = await self._in_thread(network.activations, seen.picture, layer, seen.version)
            self._kept.put_full(seen, layer.index, kept)
        return kept


def _check_alike(a: Inference, b: Inference) -> None:
    """Raises RequestError if two pictures' layers cannot be subtracted."""
    if a.description.identity != b.description.identity:
        raise RequestError("A and B are of versions with other layers")


async def _picture(question: Question) -> np.ndarray:
    """A file is unpacked aside: others do not wait for it."""
    if question.is_file:
        return await asyncio.to_thread(question.picture)
    return question.picture()


def _outcome_of(answer: Answer) -> str:
    if "error" not in answer:
        return "expired" if "expired" in answer else "answered"
    return "busy" if "busy" in answer else "refused" if "final" in answer else "away"


def _refuse(why: str) -> Answer:
    readable = why.encode(errors="replace").decode()  # a name that was sent may be no Unicode
    return {"error": f"The page cannot answer this: {readable}.", "final": True}
