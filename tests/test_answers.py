"""What the page's server answers, of a network whose every number is known."""

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from PIL import Image

from demo.answers import FAILED, MAX_SIDE, SIDE, Answers, Question
from demo.description import read_description
from demo.downloads import Endpoint
from demo.errors import RequestError
from demo.metrics import Metrics
from demo.network import Explanation, Inference, Parameters
from serving.client import ModelNotLoaded, RequestRefused
from tests.pictures import read_sheet
from tests.questions import STYLE
from tests.test_description import TRUE

WHOLE = np.arange(6 * 4 * 3, dtype=np.float32).reshape(6, 4, 3) / 8  # of the convolution
UNITS = np.float32([-3, -1, -2])
FEATURE = np.arange(9, dtype=np.uint8).reshape(3, 3)
INPUT, CONVOLUTION, DENSE = range(3)
INK = bytes(SIDE * SIDE - 1) + b"\xff"
Ask = Callable[..., dict]


class Known:
    """A network in versions 1 and 2, whose activations grow with the ink; 2 is twice 1."""

    class client:
        target, model, tls = "127.0.0.1:1", "cats", False

        @staticmethod
        def versions(timeout: float) -> list[int]:
            return [1, 2]

    def __init__(self, told: dict = TRUE, second: dict | None = None, name: str = "cats"):
        signatures = frozenset({"preview", "layer", "parameters", "describe", "explain"})
        self.descriptions = {
            version: read_description(json.dumps(one), name, version, signatures)
            for version, one in ((1, told), (2, second or told))
        }
        self.asked: list[tuple] = []

    @property
    def last(self):
        return self.descriptions[2]

    def description(self, version: int | None = None):
        if version not in (None, *self.descriptions):
            raise ModelNotLoaded(f"there is no version {version} of cats here")
        return self.descriptions[version or 2]

    def full(self, picture: np.ndarray, index: int, version: int) -> np.ndarray:
        ink = version * (1 + np.count_nonzero(picture))
        return ink * [np.zeros((12, 8), np.float32), WHOLE, UNITS][index]

    def infer(self, pictures, layers, version=None) -> list[Inference]:
        description = self.description(version)
        seen = []
        for picture in pictures:
            one = Inference(picture, description, {}, {})
            for layer in (description.find_layer(index) for index in layers):
                full = self.full(picture, layer.index, description.version)
                if layer.units:
                    one.maps[layer.index] = np.append(full, 0).reshape(2, 2, 1)
                elif layer.index == CONVOLUTION:
                    one.maps[CONVOLUTION] = full[:, :, [0, 2]].reshape(3, 2, 4, 2).mean(1)
                else:
                    one.maps[layer.index] = full[:, :, None]
            one.scores = one.probabilities = np.float32([0.2, 0.7, 0.1])
            seen.append(one)
        return seen

    def activations(self, picture, layer, version) -> np.ndarray:
        self.asked.append(("layer", layer.index, version))
        return self.full(picture, layer.index, version)

    def parameters(self, layer, map, version) -> Parameters:
        self.asked.append(("parameters", layer.index, map, version))
        if layer.kind not in ("convolution", "dense"):
            raise RequestRefused(f"{layer.name} has no maps to ask for")
        kernel = np.ones((3, 2, 1) if layer.kind == "convolution" else 72)
        return Parameters(kernel, 0.5, FEATURE)

    def explain(self, picture, label, version) -> Explanation:
        return Explanation(1 if label is None else label, np.ones((2, 2)), np.float32([0, 0, 1, 1]))


class KnownNetworks:
    """Cats, which may have been found before anybody asks, another signature of it, and dogs."""

    first, names = "cats", ["cats", "cats:other", "dogs"]

    def __init__(self, cats: Known, is_found: bool):
        self._all = {"cats": cats, "cats:other": Known(), "dogs": Known(name="dogs")}
        self._found = {"cats"} if is_found else set()

    def known(self, name: str) -> Known | None:
        return self._all[name] if name in self._found else None

    def find(self, name: str) -> Known:
        network = self._all[name]
        self._found.add(name)
        return network


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:  # in this thread Playwright's event loop may run
        yield portal


@pytest.fixture
def network() -> Known:
    return Known()


def asking(portal: BlockingPortal, network: Known, is_found: bool = False) -> Ask:
    networks = KnownNetworks(network, is_found)
    answers = portal.call(lambda: Answers(networks, Endpoint(), Metrics()))

    def ask(name: str, content: bytes | None = None, visitor: str = "ann", **fields) -> dict:
        usual = {"model": None, "version": None, "shown": "B", "style": STYLE}
        usual |= {"layers": [0, 1, 2], "map": 0, "row": None, "column": None}
        question = Question(visitor, {"ask": name, **usual, **fields}, content)
        return portal.call(answers.answer, question)

    return ask


@pytest.fixture
def ask(portal, network) -> Ask:
    return asking(portal, network)


def looked(ask: Ask) -> Ask:
    assert "error" not in ask("predict", INK)
    return ask


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def picture_file(kind: str = "PNG", size: tuple[int, int] = (30, 20), **options) -> bytes:
    chance = np.random.default_rng(size[0])
    file = io.BytesIO()
    pixels = chance.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


PNG = picture_file()
BROKEN = {
    "nothing": b"",
    "cut off": PNG[: len(PNG) // 2],
    "no picture": b"\x89PNG" + bytes(99),
    "a GIF": picture_file("GIF"),
    "too wide": picture_file(size=(MAX_SIDE + 1, 4)),
    "too high": picture_file(size=(4, MAX_SIDE + 1)),
    "a drawing less a byte": INK[1:],
    # What Pillow reads when it has all pixels already: it has no error of its own for these.
    **{
        f"a wrong {name.decode()} at the end": PNG[:-12] + chunk(name, data) + PNG[-12:]
        for name, data in ((b"gAMA", b""), (b"tRNS", b"a"), (b"cHRM", b"abc"), (b"iCCP", b""))
    },
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_neither_drawing_nor_picture_is_refused(ask, what):
    answer = ask("predict", BROKEN[what])
    assert answer["final"]
    assert "a drawing must be 112x112 bytes, and a picture a PNG or JPEG or WEBP" in answer["error"]


def test_a_drawing_is_its_bytes_and_a_picture_its_colours():
    drawing = np.random.default_rng(1).integers(0, 256, SIDE * SIDE).astype(np.uint8)
    got = Question("ann", {}, drawing.tobytes()).picture()
    np.testing.assert_array_equal(got, drawing.reshape(SIDE, SIDE, 1))
    with Image.open(io.BytesIO(PNG)) as opened:
        np.testing.assert_array_equal(Question("ann", {}, PNG).picture(), np.asarray(opened))
    as_long = PNG + bytes(SIDE * SIDE - len(PNG))  # as a drawing, and yet a picture
    assert Question("ann", {}, as_long).picture().shape == (20, 30, 3)
    webp = Question("ann", {}, picture_file("WEBP", lossless=True)).picture()
    assert webp.shape == (20, 30, 3)
    with pytest.raises(RequestError):
        Question("ann", {}, None).picture()


@pytest.mark.parametrize(
    "layers", [None, "1", 1, {}, [-1], [True], ["1"], [1.0], [2**31], [2**70], [[1]], [None], [3]]
)
def test_layers_that_there_are_not_are_refused(ask, layers):
    for name in ("predict", "keep", "repaint"):
        answer = looked(ask)(name, INK, layers=layers)
        assert answer["final"]
        assert "layers must be a list" in answer["error"] or "has no layer 3" in answer["error"]


def test_layers_are_shown_in_order_and_each_once(ask):
    answer = ask("predict", INK, layers=[2, 1, 2])
    assert answer["layers"] == [1, 2]
    assert len(answer["largest"]) == 2
    assert answer["best"] == {"index": 1, "label": "manx", "value": pytest.approx(0.7)}
    assert answer["sure"] is True
    assert answer["network"] == ask("describe")["identity"]
    assert (answer["version"], answer["shown_version"], answer["versions"]) == (2, 2, [1, 2])


@pytest.mark.parametrize("is_found", [False, True])
def test_a_network_that_an_api_has_found_before_is_read_as_well(portal, network, is_found):
    ask = asking(portal, network, is_found)
    for _ in range(2):
        assert ask("predict", INK)["layers"] == [0, 1, 2]


def test_a_model_that_there_is_not_is_said_with_those_that_there_are(ask):
    for model in ("mice", "cats:nothing", "\ud800"):
        answer = ask("predict", INK, model=model)
        assert "the models here are cats, cats:other, dogs" in answer["error"]
    assert "must be named" in ask("predict", INK, model=7)["error"]


def test_a_version_that_is_gone_is_read_by_the_newest(ask):
    answer = ask("predict", INK, version=7)
    assert (answer["unavailable_version"], answer["version"]) == (7, 2)
    assert ask("predict", INK, version=1)["version"] == 1
    assert "no version 7" in ask("describe", version=7)["error"]


def test_a_unit_is_told_exactly_and_its_map(ask):
    truth = 4 * WHOLE  # of version 2, with one pixel of ink
    told = looked(ask)("inspect_unit", layer=CONVOLUTION, map=1, row=5, column=3)
    assert told["value"] == truth[5, 3, 1]
    assert told["largest"] == truth[:, :, 1].max()
    assert told["mean"] == pytest.approx(truth[:, :, 1].mean())


def test_the_place_behind_the_last_unit_counts_for_nothing(ask):
    """Three units are shown as a square of two by two; all of them are below nought."""
    ask = looked(ask)
    told = ask("inspect_unit", layer=DENSE, row=1, column=0)
    assert told == {"value": -8.0, "largest": -4.0, "mean": -8.0}
    assert "has no unit" in ask("inspect_unit", layer=DENSE, row=1, column=1)["error"]
    strongest = ask("decompose_unit", layer=DENSE)
    assert (strongest["row"], strongest["column"], strongest["value"]) == (0, 1, -4.0)


def test_layers_in_full_are_asked_for_once(ask, network):
    for row in range(3):
        looked(ask)("inspect_unit", layer=CONVOLUTION, row=row, column=0)
        ask("inspect_unit", layer=CONVOLUTION, row=row, column=1)
    assert network.asked.count(("layer", CONVOLUTION, 2)) == 3  # of three drawings


def test_of_a_difference_all_is_the_difference(ask):
    assert "error" not in ask("keep", bytes(SIDE * SIDE), version=1)
    style = {**STYLE, "shown": "difference"}
    answer = ask("predict", INK, style=style, layers=[1])
    change = (4 - 1) * WHOLE[:, :, [0, 2]].reshape(3, 2, 4, 2).mean(1)
    assert answer["largest"] == [pytest.approx(change.max())]
    assert (answer["version"], answer["shown_version"]) == (2, 2)
    told = ask("inspect_unit", layer=1, map=2, row=5, column=3, shown="difference")
    assert told["value"] == pytest.approx(3 * WHOLE[5, 3, 2])
    of_a = ask("inspect_unit", layer=1, map=2, row=5, column=3, shown="A")
    assert of_a["value"] == pytest.approx(WHOLE[5, 3, 2])


def test_versions_of_other_layers_are_not_subtracted(portal):
    ask = asking(portal, Known(second={**TRUE, "title": "Other cats"}))
    assert "error" not in ask("keep", INK, version=1)
    answer = ask("predict", INK, style={**STYLE, "shown": "difference"})
    assert "A and B are of versions with other layers" in answer["error"]
    told = ask("inspect_unit", layer=1, row=0, column=0, shown="difference")
    assert "A and B are of versions with other layers" in told["error"]
    assert "error" not in ask("predict", INK, style={**STYLE, "shown": "A"})


def test_what_one_model_has_read_says_nothing_of_another(ask):
    looked(ask)("keep", INK)
    fields = {"layer": 1, "row": 0, "column": 0}
    for name in ("repaint", "inspect_unit", "decompose_unit", "show_map", "map_features"):
        assert ask(name, model="dogs", **fields) == {"expired": True}
        assert "error" not in ask(name, model="cats", **fields)
        assert "error" not in ask(name, model="cats:other", **fields)
    compared = {**STYLE, "shown": "difference"}
    assert ask("predict", INK, model="dogs", style=compared) == {"reference_expired": True}
    assert ask("inspect_unit", shown="A", model="dogs", **fields) == {"expired": True}


def test_what_was_not_read_is_read_when_it_is_to_be_shown(ask):
    first = ask("predict", INK, layers=[0])
    assert first["layers"] == [0]
    again = ask("repaint", layers=[1, 2], style={**STYLE, "scale": "map"})
    assert (again["layers"], again["version"]) == ([1, 2], 2)


def test_nothing_is_known_of_a_stranger(ask):
    looked(ask)
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
def test_a_map_in_full_is_drawn_as_its_style_says(ask, style, brightest):
    style = {"colours": "grey", "curve": "linear", **style}
    picture = read_sheet(looked(ask)("show_map", layer=1, map=1, style=style)["picture"])
    truth = 4 * WHOLE[:, :, 1]
    shown = np.rint(np.minimum(truth / (brightest or truth.max()), 1) * 255)
    assert picture.shape[:2] == (6, 4)
    np.testing.assert_allclose(picture[:, :, 0], shown, atol=2)


def test_what_a_map_likes_is_asked_of_the_layer_that_makes_it(portal):
    told = json.loads(json.dumps(TRUE))
    pool = {**told["layers"][1], "name": "pool", "kind": "max pooling", "from": [1]}
    told["layers"][2:2] = [pool, {**pool, "name": "again", "kind": "average pooling", "from": [2]}]
    told["layers"].append({**pool, "name": "sum", "kind": "addition", "from": [1, 2]})
    network = Known(told)
    network.full = lambda picture, index, version: WHOLE
    ask = asking(portal, network)
    ask("predict", INK, layers=[])
    for layer, likes in ((1, True), (2, True), (3, True), (5, False)):
        network.asked.clear()
        answer = ask("map_features", layer=layer, map=2)
        assert "error" not in answer
        assert network.asked == ([("parameters", 1, 2, 2)] if likes else [])
        assert bool(answer["feature"]) == likes
        if likes:
            np.testing.assert_array_equal(
                read_sheet(answer["feature"])[:, :, 0], np.rint(FEATURE / 255 * 254)
            )


def test_why_is_told_of_the_class_that_is_asked_about(ask):
    assert ask("explain", INK, label=None)["label"] == 1
    answer = ask("explain", INK, label=2)
    assert (answer["label"], answer["field"]) == (2, [0, 0, 1, 1])
    for label in (True, -1, 2**31, "2", [1]):
        assert (
            "the label must be the number of a class" in ask("explain", INK, label=label)["error"]
        )


def test_a_model_is_described_for_the_browser(ask):
    told = ask("describe")
    assert (told["model"], told["models"], told["title"]) == ("cats", KnownNetworks.names, "Cats")
    assert told["input"] == {
        **{"kind": "drawing", "height": 12, "width": 8, "channels": 1, "side": SIDE}
    }
    assert [layer["name"] for layer in told["layers"]] == ["input", "block/conv", "scores"]
    assert told["scores"] == {
        **{"layer": 2, "classes": 3, "labels": ["tabby", "manx", "none"], "isSingle": False}
    }
    assert told["canExplain"]
    assert told["downloads"] == []  # it does not classify files
    json.dumps(told)


def test_no_question_of_these_fails(ask):
    """Whatever is asked in place of a field: a sentence, and no failure of the page's own."""
    odd = [None, True, -1, 0, 1, 2**31, 2**64, 1.5, "", "1", "\ud800", [], [[]], [0], {}, {"1": 1}]
    names = ("describe", "predict", "keep", "explain", "download", "repaint", "inspect_unit")
    for name in (*names, "decompose_unit", "show_map", "map_features"):
        fields = ("model", "version", "shown", "style", "layers", "layer", "map", "row", "column")
        for field in (*fields, "label", "what", "page"):
            for value in odd:
                asked = {"layer": 1, "row": 0, "column": 0, "label": 1, "what": "x", "page": ""}
                answer = looked(ask)(name, INK, **{**asked, field: value})
                assert answer.get("error") != FAILED, (name, field, value)
