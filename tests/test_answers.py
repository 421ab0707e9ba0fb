"""Answers of the page server about a fake network with known activations."""

import asyncio
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from PIL import Image

from demo.answers import FAILED, QUESTIONS, Answers
from demo.description import read_description
from demo.downloads import Endpoint
from demo.errors import RequestError
from demo.metrics import Metrics
from demo.network import Explanation, Inference, Parameters
from demo.question import MAX_SIDE, SIDE, Question
from serving.client import ModelNotLoaded, RequestRefused
from tests.pictures import read_sheet
from tests.questions import STYLE
from tests.test_description import VALID

MAPS = np.arange(6 * 4 * 3, dtype=np.float32).reshape(6, 4, 3) / 8  # of the convolution
UNITS = np.float32([-3, -1, -2])
FEATURE = np.arange(9, dtype=np.uint8).reshape(3, 3)
INPUT, CONVOLUTION, DENSE = range(3)
INK = bytes(SIDE * SIDE - 1) + b"\xff"
Ask = Callable[..., dict]


class FakeNetwork:
    """A network in versions 1 and 2. Activations grow with the ink; those of 2 are twice 1's."""

    class client:
        target, model, tls = "127.0.0.1:1", "cats", False

        @staticmethod
        def versions(timeout: float) -> list[int]:
            return [1, 2]

    def __init__(self, first: dict = VALID, second: dict | None = None, name: str = "cats"):
        signatures = frozenset({"preview", "layer", "parameters", "describe", "explain"})
        self.descriptions = {
            version: read_description(json.dumps(fields), name, version, signatures)
            for version, fields in ((1, first), (2, second or first))
        }
        self.requests: list[tuple] = []

    @property
    def last(self):
        return self.descriptions[2]

    def description(self, version: int | None = None):
        if version not in (None, *self.descriptions):
            raise ModelNotLoaded(f"there is no version {version} of cats here")
        return self.descriptions[version or 2]

    def activations_of(self, picture: np.ndarray, index: int, version: int) -> np.ndarray:
        scale = version * (1 + np.count_nonzero(picture))
        return scale * [np.zeros((12, 8), np.float32), MAPS, UNITS][index]

    def infer(self, pictures, layers, version=None) -> list[Inference]:
        description = self.description(version)
        inferences = []
        for picture in pictures:
            inference = Inference(picture, description, {}, {})
            for layer in (description.find_layer(index) for index in layers):
                activations = self.activations_of(picture, layer.index, description.version)
                if layer.units:
                    maps = np.append(activations, 0).reshape(2, 2, 1)
                elif layer.index == CONVOLUTION:
                    maps = activations[:, :, [0, 2]].reshape(3, 2, 4, 2).mean(1)
                else:
                    maps = activations[:, :, None]
                inference.maps[layer.index] = maps
            inference.scores = inference.probabilities = np.float32([0.2, 0.7, 0.1])
            inferences.append(inference)
        return inferences

    def activations(self, picture, layer, version) -> np.ndarray:
        self.requests.append(("layer", layer.index, version))
        return self.activations_of(picture, layer.index, version)

    def parameters(self, layer, map, version) -> Parameters:
        self.requests.append(("parameters", layer.index, map, version))
        if layer.kind not in ("convolution", "dense"):
            raise RequestRefused(f"{layer.name} has no maps to ask for")
        kernel = np.ones((3, 2, 1) if layer.kind == "convolution" else 72)
        return Parameters(kernel, 0.5, FEATURE)

    def explain(self, picture, label, version) -> Explanation:
        return Explanation(1 if label is None else label, np.ones((2, 2)), np.float32([0, 0, 1, 1]))


class FakeNetworks:
    """Cats, perhaps found by an earlier call, with another signature; and dogs."""

    first, names = "cats", ["cats", "cats:other", "dogs"]

    def __init__(self, cats: FakeNetwork, is_found: bool):
        self._all = {"cats": cats, "cats:other": FakeNetwork(), "dogs": FakeNetwork(name="dogs")}
        self._found = {"cats"} if is_found else set()

    def known(self, name: str) -> FakeNetwork | None:
        return self._all[name] if name in self._found else None

    def find(self, name: str) -> FakeNetwork:
        network = self._all[name]
        self._found.add(name)
        return network


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:  # Playwright's event loop may run in this thread
        yield portal


@pytest.fixture
def network() -> FakeNetwork:
    return FakeNetwork()


def make_ask(portal: BlockingPortal, network: FakeNetwork, is_found: bool = False) -> Ask:
    networks = FakeNetworks(network, is_found)
    answers = portal.call(lambda: Answers(networks, Endpoint(), Metrics()))

    def ask(name: str, content: bytes | None = None, visitor: str = "ann", **fields) -> dict:
        defaults = {"model": None, "version": None, "shown": "B", "style": STYLE}
        defaults |= {"layers": [0, 1, 2], "map": 0, "row": None, "column": None}
        question = Question(visitor, {"ask": name, **defaults, **fields}, content)
        return portal.call(answers.answer, question)

    return ask


@pytest.fixture
def ask(portal, network) -> Ask:
    return make_ask(portal, network)


def predicted(ask: Ask) -> Ask:
    """The same function, after a prediction."""
    assert "error" not in ask("predict", INK)
    return ask


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def picture_file(kind: str = "PNG", size: tuple[int, int] = (30, 20), **options) -> bytes:
    rng = np.random.default_rng(size[0])
    file = io.BytesIO()
    pixels = rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


PNG = picture_file()
BROKEN = {
    "empty": b"",
    "truncated": PNG[: len(PNG) // 2],
    "not a picture": b"\x89PNG" + bytes(99),
    "a GIF": picture_file("GIF"),
    "too wide": picture_file(size=(MAX_SIDE + 1, 4)),
    "too high": picture_file(size=(4, MAX_SIDE + 1)),
    "a drawing without its last byte": INK[1:],
    # Chunks that Pillow reads after the pixels, and for which it has no exception of its own.
    **{
        f"a malformed {name.decode()} chunk": PNG[:-12] + chunk(name, data) + PNG[-12:]
        for name, data in ((b"gAMA", b""), (b"tRNS", b"a"), (b"cHRM", b"abc"), (b"iCCP", b""))
    },
}


@pytest.mark.parametrize("content", BROKEN)
def test_invalid_picture_is_refused(ask, content):
    answer = ask("predict", BROKEN[content])
    assert answer["final"]
    assert "a drawing must be 112x112 bytes, and a picture a PNG or JPEG or WEBP" in answer["error"]


def test_drawing_and_picture_file_are_decoded():
    drawing = np.random.default_rng(1).integers(0, 256, SIDE * SIDE).astype(np.uint8)
    decoded = Question("ann", {}, drawing.tobytes()).picture()
    np.testing.assert_array_equal(decoded, drawing.reshape(SIDE, SIDE, 1))
    with Image.open(io.BytesIO(PNG)) as picture:
        np.testing.assert_array_equal(Question("ann", {}, PNG).picture(), np.asarray(picture))
    padded = PNG + bytes(SIDE * SIDE - len(PNG))  # a picture file with the size of a drawing
    assert Question("ann", {}, padded).picture().shape == (20, 30, 3)
    webp = Question("ann", {}, picture_file("WEBP", lossless=True)).picture()
    assert webp.shape == (20, 30, 3)
    with pytest.raises(RequestError):
        Question("ann", {}, None).picture()


@pytest.mark.parametrize(
    "layers", [None, "1", 1, {}, [-1], [True], ["1"], [1.0], [2**31], [2**70], [[1]], [None], [3]]
)
def test_invalid_layers_are_refused(ask, layers):
    for name in ("predict", "keep", "repaint"):
        answer = predicted(ask)(name, INK, layers=layers)
        assert answer["final"]
        assert "layers must be a list" in answer["error"] or "has no layer 3" in answer["error"]


def test_layers_are_sorted_and_unique(ask):
    answer = ask("predict", INK, layers=[2, 1, 2])
    assert answer["layers"] == [1, 2]
    assert len(answer["largest"]) == 2
    assert answer["best"] == {"index": 1, "label": "manx", "value": pytest.approx(0.7)}
    assert answer["sure"] is True
    assert answer["network"] == ask("describe")["identity"]
    assert (answer["version"], answer["shown_version"], answer["versions"]) == (2, 2, [1, 2])


@pytest.mark.parametrize("is_found", [False, True])
def test_network_found_by_the_api_is_reused(portal, network, is_found):
    ask = make_ask(portal, network, is_found)
    for _ in range(2):
        assert ask("predict", INK)["layers"] == [0, 1, 2]


def test_unknown_model_is_refused_with_the_known_names(ask):
    for model in ("mice", "cats:nothing", "\ud800"):
        answer = ask("predict", INK, model=model)
        assert "the models here are cats, cats:other, dogs" in answer["error"]
    assert "must be named" in ask("predict", INK, model=7)["error"]


def test_unloaded_version_is_replaced_by_the_newest(ask):
    answer = ask("predict", INK, version=7)
    assert (answer["unavailable_version"], answer["version"]) == (7, 2)
    assert ask("predict", INK, version=1)["version"] == 1
    assert "no version 7" in ask("describe", version=7)["error"]


def test_history_has_the_curve_of_the_newest_version(portal):
    trained = {"version_offset": 0, "curve": [[1, 2.5, None], [2, 1.5, 0.75]]}
    ask = make_ask(portal, FakeNetwork(second={**VALID, "trained": trained}))
    history = {"versions": [1, 2], "version_offset": 0}
    assert ask("history") == {**history, "curve": ((1, 2.5, None), (2, 1.5, 0.75))}
    assert make_ask(portal, FakeNetwork())("history") == {**history, "curve": ()}


def test_many_visitors_learn_of_a_version_by_one_call(portal, network):
    calls, described = [], network.description
    network.description = lambda version=None: (calls.append(version), described(version))[1]
    answers = portal.call(lambda: Answers(FakeNetworks(network, True), Endpoint(), Metrics()))

    async def ask_all() -> list[dict]:
        questions = [Question(str(i), {"ask": "history", "model": None}, None) for i in range(30)]
        return await asyncio.gather(*map(answers.answer, questions))

    assert all(answer["versions"] == [1, 2] for answer in portal.call(ask_all))
    assert calls == [2]


def test_history_recovers_from_a_version_that_is_gone(portal, network):
    ask, described = make_ask(portal, network), network.description
    network.description = lambda version=None: described(7)
    assert "no version 7" in ask("history")["error"]
    network.description = described
    assert ask("history")["versions"] == [1, 2]


def test_unit_and_its_map_are_exact(ask):
    truth = 4 * MAPS  # of version 2, with one pixel of ink
    unit = predicted(ask)("inspect_unit", layer=CONVOLUTION, map=1, row=5, column=3)
    assert unit["value"] == truth[5, 3, 1]
    assert unit["largest"] == truth[:, :, 1].max()
    assert unit["mean"] == pytest.approx(truth[:, :, 1].mean())


def test_padding_after_the_last_unit_is_ignored(ask):
    """Three units, all negative, are shown as a square of two by two."""
    ask = predicted(ask)
    unit = ask("inspect_unit", layer=DENSE, row=1, column=0)
    assert unit == {"value": -8.0, "largest": -4.0, "mean": -8.0}
    assert "has no unit" in ask("inspect_unit", layer=DENSE, row=1, column=1)["error"]
    strongest = ask("decompose_unit", layer=DENSE)
    assert (strongest["row"], strongest["column"], strongest["value"]) == (0, 1, -4.0)


def test_activations_are_requested_once_per_picture(ask, network):
    for row in range(3):
        predicted(ask)("inspect_unit", layer=CONVOLUTION, row=row, column=0)
        ask("inspect_unit", layer=CONVOLUTION, row=row, column=1)
    assert network.requests.count(("layer", CONVOLUTION, 2)) == 3  # one for each prediction


def test_difference_applies_to_sheet_and_units(ask):
    assert "error" not in ask("keep", bytes(SIDE * SIDE), version=1)
    style = {**STYLE, "shown": "difference"}
    answer = ask("predict", INK, style=style, layers=[1])
    change = (4 - 1) * MAPS[:, :, [0, 2]].reshape(3, 2, 4, 2).mean(1)
    assert answer["largest"] == [pytest.approx(change.max())]
    assert (answer["version"], answer["shown_version"]) == (2, 2)
    unit = ask("inspect_unit", layer=1, map=2, row=5, column=3, shown="difference")
    assert unit["value"] == pytest.approx(3 * MAPS[5, 3, 2])
    unit_of_a = ask("inspect_unit", layer=1, map=2, row=5, column=3, shown="A")
    assert unit_of_a["value"] == pytest.approx(MAPS[5, 3, 2])


def test_versions_with_other_layers_are_not_subtracted(portal):
    ask = make_ask(portal, FakeNetwork(second={**VALID, "title": "Other cats"}))
    assert "error" not in ask("keep", INK, version=1)
    answer = ask("predict", INK, style={**STYLE, "shown": "difference"})
    assert "A and B are of versions with other layers" in answer["error"]
    unit = ask("inspect_unit", layer=1, row=0, column=0, shown="difference")
    assert "A and B are of versions with other layers" in unit["error"]
    assert "error" not in ask("predict", INK, style={**STYLE, "shown": "A"})


def test_details_of_another_model_expire(ask):
    predicted(ask)("keep", INK)
    fields = {"layer": 1, "row": 0, "column": 0}
    for name in ("repaint", "inspect_unit", "decompose_unit", "show_map", "map_features"):
        assert ask(name, model="dogs", **fields) == {"expired": True}
        assert "error" not in ask(name, model="cats", **fields)
        assert "error" not in ask(name, model="cats:other", **fields)
    compared = {**STYLE, "shown": "difference"}
    assert ask("predict", INK, model="dogs", style=compared) == {"reference_expired": True}
    assert ask("inspect_unit", shown="A", model="dogs", **fields) == {"expired": True}


def test_missing_layers_are_inferred_when_shown(ask):
    first = ask("predict", INK, layers=[0])
    assert first["layers"] == [0]
    again = ask("repaint", layers=[1, 2], style={**STYLE, "scale": "map"})
    assert (again["layers"], again["version"]) == ([1, 2], 2)


def test_unknown_visitor_has_no_details(ask):
    predicted(ask)
    for name in ("repaint", "inspect_unit", "decompose_unit", "show_map", "map_features"):
        fields = {"layer": 1, "row": 0, "column": 0}
        assert ask(name, visitor="bob", **fields) == {"expired": True}
    assert ask("decompose_unit", layer=1, shown="A") == {"expired": True}
    assert ask("predict", INK, style={**STYLE, "shown": "A"}) == {"reference_expired": True}


@pytest.mark.parametrize(
    ("style", "brightest"),
    [
        ({"scale": "layer"}, None),
        ({"scale": "layer", "held": ["no", "object"]}, None),
        ({"scale": "map", "held": {"1": 1.0}}, None),
        ({"scale": "held", "held": {}}, None),
        ({"scale": "held", "held": {"1": 0}}, None),
        ({"scale": "held", "held": {"1": 100.0}}, 100.0),
    ],
)
def test_full_map_follows_the_style(ask, style, brightest):
    style = {"colours": "grey", "curve": "linear", **style}
    picture = read_sheet(predicted(ask)("show_map", layer=1, map=1, style=style)["picture"])
    truth = 4 * MAPS[:, :, 1]
    grey = np.rint(np.minimum(truth / (brightest or truth.max()), 1) * 255)
    assert picture.shape[:2] == (6, 4)
    np.testing.assert_allclose(picture[:, :, 0], grey, atol=2)


def test_feature_of_a_pooled_map_comes_from_the_pooled_layer(portal):
    fields = json.loads(json.dumps(VALID))
    pool = {**fields["layers"][1], "name": "pool", "kind": "max pooling", "from": [1]}
    second_pool = {**pool, "name": "again", "kind": "average pooling", "from": [2]}
    fields["layers"][2:2] = [pool, second_pool]
    fields["layers"].append({**pool, "name": "sum", "kind": "addition", "from": [1, 2]})
    network = FakeNetwork(fields)
    network.activations_of = lambda picture, index, version: MAPS
    ask = make_ask(portal, network)
    ask("predict", INK, layers=[])
    for layer, has_feature in ((1, True), (2, True), (3, True), (5, False)):
        network.requests.clear()
        answer = ask("map_features", layer=layer, map=2)
        assert "error" not in answer
        assert network.requests == ([("parameters", 1, 2, 2)] if has_feature else [])
        assert bool(answer["feature"]) == has_feature
        if has_feature:
            np.testing.assert_array_equal(
                read_sheet(answer["feature"])[:, :, 0], np.rint(FEATURE / 255 * 254)
            )


def test_explanation_is_about_the_requested_class(ask):
    assert ask("explain", INK, label=None)["label"] == 1
    answer = ask("explain", INK, label=2)
    assert (answer["label"], answer["field"]) == (2, [0, 0, 1, 1])
    for label in (True, -1, 2**31, "2", [1]):
        assert (
            "the label must be the number of a class" in ask("explain", INK, label=label)["error"]
        )


def test_model_is_described_for_the_browser(ask):
    description = ask("describe")
    assert (description["model"], description["models"], description["title"]) == (
        "cats",
        FakeNetworks.names,
        "Cats",
    )
    assert description["input"] == {
        **{"kind": "drawing", "height": 12, "width": 8, "channels": 1, "side": SIDE}
    }
    assert [layer["name"] for layer in description["layers"]] == ["input", "block/conv", "scores"]
    assert description["scores"] == {
        **{"layer": 2, "classes": 3, "labels": ["tabby", "manx", "none"], "isSingle": False}
    }
    assert description["canExplain"]
    assert description["downloads"] == []  # it has no signature classify
    json.dumps(description)


def test_malformed_fields_cause_no_internal_error(ask):
    """Any JSON value in any field gives a sentence, and no internal error."""
    odd = [None, True, -1, 0, 1, 2**31, 2**64, 1.5, "", "1", "\ud800", [], [[]], [0], {}, {"1": 1}]
    for name in QUESTIONS:
        fields = ("model", "version", "shown", "style", "layers", "layer", "map", "row", "column")
        for field in (*fields, "label", "what", "page"):
            for value in odd:
                valid = {"layer": 1, "row": 0, "column": 0, "label": 1, "what": "x", "page": ""}
                answer = predicted(ask)(name, INK, **{**valid, field: value})
                assert answer.get("error") != FAILED, (name, field, value)
