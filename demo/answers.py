"""Answers the eleven kinds of questions that a visitor's browser asks the page server.

A question names its kind in the field `ask`. An answer is a JSON object; the picture of the layers
is sent beside it.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from demo.arithmetic import Unit, as_maps, check_unit, decompose
from demo.browser_description import describe_for_browser
from demo.call_limit import CallLimit
from demo.description import Layer
from demo.downloads import CLASSIFY, Endpoint, make_downloads
from demo.errors import Expired, RequestError
from demo.examples import find_strip
from demo.metrics import Metrics
from demo.network import Inference, Parameters
from demo.networks import SEPARATOR, Networks
from demo.prediction import prediction_of, render_prediction
from demo.question import SIDE, Question
from demo.render import Style, render_contributions, render_grid, render_map
from demo.served_network import ServedNetwork
from demo.training_record import TrainingRecord
from demo.visitor_cache import VisitorCache
from serving.client import ModelNotLoaded, ServerBusy, ServerUnreachable, ServingError

AWAY = (
    "The model server does not answer. What you see is kept, and the page continues automatically "
    "when the server is back."
)
BUSY = "The model server is busy. Your picture is kept and will be predicted as soon as possible."
FAILED = (
    "The page server failed to answer this; the error is in its log. You can continue to use the "
    "page."
)
QUESTIONS = (  # methods of Answers, by the value of `ask`
    *("describe", "history", "predict", "keep", "explain", "download"),
    *("repaint", "inspect_unit", "decompose_unit", "show_map", "map_features"),
)
_log = logging.getLogger(__name__)

Answer = dict[str, Any]  # JSON, except for `sheet`: the bytes of a PNG


class Answers:
    """Answers all visitors of a page. Belongs to one event loop.

    Args:
        networks: the networks of the page.
        endpoint: the address for the requests that visitors download.
        metrics: counts the answers.
    """

    def __init__(self, networks: Networks, endpoint: Endpoint, metrics: Metrics):
        self._networks, self._endpoint, self._metrics = networks, endpoint, metrics
        self._served: dict[str, ServedNetwork] = {}
        self._cache, self._calls = VisitorCache(), CallLimit()
        metrics.queued.set_function(
            lambda: sum(served.batcher.waiting for served in self._served.values())
        )

    async def answer(self, question: Question) -> Answer:
        """Answers a question; never raises.

        An error is a sentence in the field `error`. It is marked `final` if a retry would fail
        again, and `busy` if a retry should wait.
        """
        name = question.get("ask")
        if name not in QUESTIONS:
            return _refuse(f"what can be asked is {', '.join(QUESTIONS)}")
        started = time.perf_counter()
        answer = await self._answer(name, question)
        self._metrics.answered(name, _outcome_of(answer), time.perf_counter() - started)
        return answer

    async def _answer(self, name: str, question: Question) -> Answer:
        try:
            return await getattr(self, name)(question)
        except Expired:
            return {"expired": True}  # the browser sends the picture again
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
        """Drops what is cached for a visitor who has left."""
        self._cache.drop(visitor)

    async def describe(self, question: Question) -> Answer:
        """Describes a model, so that the browser can build its galleries."""
        network = (await self._find(question)).network
        description = await self._calls.run(network.description, question.version())
        has_downloads = CLASSIFY in description.signatures
        downloads = make_downloads(network, self._endpoint) if has_downloads else ()
        return describe_for_browser(
            description, self._name(question), self._networks.names, list(downloads), SIDE
        )

    async def history(self, question: Question) -> Answer:
        """Lists the loaded versions, with the learning curve of the newest."""
        served = await self._find(question)
        versions = await served.versions.current()
        trained = await served.training(versions[-1]) if versions else TrainingRecord()
        return {"versions": versions, **trained._asdict()}

    async def predict(self, question: Question) -> Answer:
        """Classifies a picture and shows some layers."""
        picture, style, layers = await question.read_picture(), question.style(), question.layers()
        version = question.version()
        inference = await (await self._find(question)).infer(picture, layers, version)
        self._cache.put(question.visitor, inference)
        is_replaced = version is not None and version != inference.version
        try:
            shown = await self._show(question, inference, style, layers)
        except Expired:
            return {"reference_expired": True}  # A, which the picture is compared with
        return {**shown, "unavailable_version": version} if is_replaced else shown

    async def keep(self, question: Question) -> Answer:
        """Keeps a picture as A, which later pictures are compared with."""
        layers, picture = question.layers(), await question.read_picture()
        version = question.version()
        inference = await (await self._find(question)).infer(picture, layers, version)
        self._cache.put(question.visitor, inference, "A")
        return dict(prediction_of(inference))

    async def explain(self, question: Question) -> Answer:
        """Shows which parts of a picture support a class, and which contradict it."""
        network, label = (await self._find(question)).network, question.label()
        picture, version = await question.read_picture(), question.version()
        explanation = await self._calls.run(network.explain, picture, label, version)
        return {
            "label": explanation.label,
            "picture": render_contributions(explanation.contributions),
            "field": explanation.field.tolist(),
        }

    async def download(self, question: Question) -> Answer:
        """Returns a file of a picture's activations, or a request that sends the picture."""
        downloads = make_downloads((await self._find(question)).network, self._endpoint)
        name, page = question.field("what"), str(question.field("page"))
        if name not in list(downloads):
            raise RequestError(f"the downloads are {', '.join(downloads)}")
        picture, version = await question.read_picture(), question.version()
        return {"content": await self._calls.run(downloads[name], picture, version, page)}

    # The questions below are about the visitor's last picture.

    async def repaint(self, question: Question) -> Answer:
        """Shows the picture in another style, or other layers of it."""
        layers, style = question.layers(), question.style()
        return await self._show(question, self._cached(question), style, layers)

    async def inspect_unit(self, question: Question) -> Answer:
        """Returns the exact value of a unit, with the maximum and the mean of its map."""
        layer, map, row, column = self._unit(question)
        check_unit(layer, map, row, column)
        activations = (await self._maps(question, layer))[:, :, map]  # [height, width]
        units = activations.reshape(-1)[: layer.shown_units]
        return {
            "value": float(activations[row, column]),
            "largest": float(units.max()),
            "mean": float(units.mean()),
        }

    async def decompose_unit(self, question: Question) -> Answer:
        """Decomposes a unit into its terms; without row and column, the map's strongest unit."""
        layer, map, row, column = self._unit(question)
        check_unit(layer, map)
        inference, network = self._shown(question), (await self._find(question)).network
        if row is None or column is None:
            maps = as_maps(layer, await self._activations(question, inference, layer))
            units = maps[:, :, map].reshape(-1)[: layer.shown_units]
            row, column = divmod(int(units.argmax()), maps.shape[1])
        check_unit(layer, map, row, column)
        for index in {layer.index, *layer.sources}:
            source = inference.description.layers[index]
            await self._activations(question, inference, source)

        def activations(layer: Layer) -> np.ndarray:
            cached = self._cache.activations(inference, layer.index)
            if cached is not None:
                return cached
            return network.activations(inference.picture, layer, inference.version)

        def parameters(layer: Layer, map: int) -> Parameters:
            return network.parameters(layer, map, inference.version)

        unit = Unit(inference.description, layer, map, row, column, activations, parameters)
        return dict(await self._calls.run(decompose, unit))

    async def show_map(self, question: Question) -> Answer:
        """Draws a map in full resolution."""
        layer, map, *_ = self._unit(question)
        check_unit(layer, map)
        style = question.style()
        activations = (await self._maps(question, layer))[:, :, map]
        held = style["held"] if style.get("scale") == "held" else {}
        min_scale = self._shown(question).description.min_scale
        brightest = held.get(str(layer.index)) or float(np.abs(activations).max())
        return {"picture": render_map(activations, layer, max(brightest, min_scale), style)}

    async def map_features(self, question: Question) -> Answer:
        """Shows a map's feature visualization and dataset examples, for the shown version."""
        layer, map, *_ = self._unit(question)
        check_unit(layer, map)
        inference, network = self._shown(question), (await self._find(question)).network
        description, feature = inference.description, None
        producer = description.producer(layer)
        if producer.has_parameters and "parameters" in description.signatures:
            parameters = await self._calls.run(network.parameters, producer, map, inference.version)
            if parameters.feature.size:
                feature = render_grid(parameters.feature, "grey", 255)
        examples = await self._calls.run(find_strip, network, description, layer, map)
        return {"feature": feature, "examples": examples}

    def _name(self, question: Question) -> str:
        name = question.model()
        return self._networks.first if name is None else name

    async def _find(self, question: Question) -> ServedNetwork:
        """Returns the network that the question is about."""
        name = self._name(question)
        network = self._networks.known(name)
        try:
            network = network or await self._calls.run(self._networks.find, name)
        except KeyError:
            names = ", ".join(self._networks.names)
            raise RequestError(f"the models here are {names}") from None
        if name not in self._served:
            self._served[name] = ServedNetwork(network)
        return self._served[name]

    def _unit(self, question: Question) -> tuple[Layer, Any, Any, Any]:
        """Returns the layer, and the map, row and column unchecked (see `check_unit`)."""
        layer = self._shown(question).description.find_layer(question.field("layer"))
        return layer, question.field("map"), question.field("row"), question.field("column")

    async def _show(
        self, question: Question, inference: Inference, style: Style, layers: Sequence[int]
    ) -> Answer:
        """Renders B, A or their difference.

        Args:
            question: names the visitor and the model.
            inference: B, whose prediction is returned in each case.
            style: says which of them to render.
            layers: indices; those that B or A lack are inferred now.
        """
        shown = style.get("shown", "B")
        compared = {"B": inference} if shown != "A" else {}
        if shown != "B":
            compared["A"] = self._cached(question, "A")
        served = await self._find(question)
        for name, current in compared.items():
            if not set(layers) <= current.maps.keys():
                compared[name] = await served.infer(current.picture, layers, current.version)
                self._cache.put(question.visitor, compared[name], name)
        last = compared["A" if shown == "A" else "B"]
        maps, description = last.maps, last.description
        if shown == "difference":
            a = compared["A"]
            _check_comparable(a, last)
            maps = {index: last.maps[index] - a.maps[index] for index in layers}
        rendered = [description.find_layer(index) for index in layers]
        return {
            **render_prediction(inference, rendered, maps, style),
            "network": description.identity,
            "version": inference.version,
            "shown_version": last.version,  # the version that details are about
            "versions": await served.versions.now(inference.version),
        }

    def _shown(self, question: Question) -> Inference:
        """Returns the inference whose details are shown: for a difference, B."""
        return self._cached(question, "A" if question.shown() == "A" else "B")

    def _cached(self, question: Question, name: str = "B") -> Inference:
        """Returns the visitor's inference of that name.

        Raises:
            Expired: there is none, or it comes from another model than the question's.
        """
        inference = self._cache.get(question.visitor, name)
        if inference.description.model != self._name(question).partition(SEPARATOR)[0]:
            raise Expired(f"{name} of {question.visitor} was read by another model")
        return inference

    async def _maps(self, question: Question, layer: Layer) -> np.ndarray:
        """Returns the shown maps in full resolution: float32 [height, width, maps]."""
        if question.shown() != "difference":
            return as_maps(layer, await self._activations(question, self._shown(question), layer))
        a, b = self._cached(question, "A"), self._cached(question, "B")
        _check_comparable(a, b)
        activations_a = await self._activations(question, a, layer)
        activations_b = await self._activations(question, b, layer)
        return as_maps(layer, activations_b - activations_a)

    async def _activations(
        self, question: Question, inference: Inference, layer: Layer
    ) -> np.ndarray:
        """Returns all activations of a layer, from the cache if possible."""
        activations = self._cache.activations(inference, layer.index)
        if activations is None:
            network = (await self._find(question)).network
            activations = await self._calls.run(
                network.activations, inference.picture, layer, inference.version
            )
            self._cache.put_activations(inference, layer.index, activations)
        return activations


def _check_comparable(a: Inference, b: Inference) -> None:
    """Raises RequestError if the layers of the two cannot be subtracted."""
    if a.description.identity != b.description.identity:
        raise RequestError("A and B are of versions with other layers")


def _outcome_of(answer: Answer) -> str:
    """The outcome that `Metrics` counts."""
    if "error" not in answer:
        return "expired" if "expired" in answer else "answered"
    return "busy" if "busy" in answer else "refused" if "final" in answer else "away"


def _refuse(reason: str) -> Answer:
    printable = reason.encode(errors="replace").decode()  # a name may hold lone surrogates
    return {"error": f"The page cannot answer this: {printable}.", "final": True}
