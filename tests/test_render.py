"""The sheet, pixel by pixel, against the activations."""

import numpy as np
import pytest

from demo.colours import COLOURS as COLOUR_MAPS
from demo.colours import NOTHING, SIGNED
from demo.description import Layer, make_description
from demo.errors import RequestError
from demo.network import ExposedNetwork
from demo.render import (
    check_style,
    render_contributions,
    render_grid,
    render_map,
    render_sheet,
    write_image,
)
from tests.galleries import GALLERIES
from tests.pictures import read_png, read_sheet

# Of 256 colours, by which a pixel may be off: half a level of 127, and the colour that it is near.
ROUNDING = 255 / 126 / 2 + 0.5
COLOURS = {
    **{name: np.frombuffer(table, np.uint8).reshape(256, 3) for name, table in COLOUR_MAPS.items()},
    "signed": np.frombuffer(SIGNED, np.uint8).reshape(256, 3)[:255],
}


def described(name: str, shape: list[int], columns: int, **fields: object) -> dict:
    """A layer as a model tells it, all of whose units are shown."""
    height, width, maps = (*shape, 1)[:3] if len(shape) > 1 else fields.pop("square")
    small = {"maps": list(range(maps)), "height": height, "width": width, "blocks": [1, 1]}
    told = {
        "kind": "convolution",
        "class": "Conv2D",
        "from": [],
        "is_exact": True,
        "receptive_field": None,
    }
    told |= {"window": None, "activation": "relu", "is_signed": False, "thumbnail": small}
    return {"name": name, "shape": shape, "columns": columns, **told, **fields}


def make_layers() -> tuple[Layer, ...]:
    """The galleries of the article, and layers of which something is odd or negative."""
    told = [described("input", [28, 28], 1, kind="input")]
    for one in GALLERIES[:-1]:
        told.append(described(one.name, [one.side, one.side, one.maps], one.columns))
    told += [
        described("h_fc1", [1024], 1, kind="dense", square=(32, 32, 1)),
        described("odd", [5, 9, 7], 3),
        described("signed", [6, 4, 5], 2, is_signed=True, activation="linear"),
        described("scores", [10], 1, kind="dense", square=(3, 4, 1), is_signed=True),
        described("colours", [8, 7, 3], 16, kind="input", is_signed=True),
    ]
    taken = {"kind": "drawing", "height": 28, "width": 28}
    fields = {"input": taken, "layers": told, "max_batch_size": 8}
    return make_description(fields, "mnist", 1, frozenset()).layers


LAYERS = make_layers()


def strengths(pixels: np.ndarray, colours: str) -> np.ndarray:
    """Where on a colour map pixels are, from 0, or of what has a sign from -1, to 1."""
    table = {tuple(map(int, colour)): at for at, colour in enumerate(COLOURS[colours])}
    places = np.array([table[tuple(map(int, one))] for one in pixels[..., :3].reshape(-1, 3)])
    places = places.reshape(pixels.shape[:-1])
    return (places - NOTHING) / NOTHING if colours == "signed" else places / 255


def maps_on(sheet: np.ndarray, layer: Layer, top: int) -> list[np.ndarray]:
    """Each map's pixels on a sheet where the layer begins at a row, by counting."""
    found = []
    for index in range(len(layer.maps)):
        row, column = divmod(index, layer.columns)
        y, x = top + row * (layer.height + 1), column * (layer.width + 1)
        found.append(sheet[y : y + layer.height, x : x + layer.width])
    return found


def height_of(layer: Layer) -> int:
    """Of its mosaic, with a pixel between two rows of maps."""
    rows = -(-len(layer.maps) // layer.columns)
    return rows * (layer.height + 1) - 1


@pytest.fixture
def activations() -> dict[int, np.ndarray]:
    rng = np.random.default_rng(7)
    maps = {}
    for layer in LAYERS:
        numbers = rng.normal(0, 2, (layer.height, layer.width, len(layer.maps)))
        maps[layer.index] = numbers if layer.is_signed else np.maximum(numbers, 0)
    maps[0], maps[LAYERS[-1].index] = rng.random((28, 28, 1)), rng.random((8, 7, 3))
    return {index: array.astype(np.float32) for index, array in maps.items()}


def is_signed(layer: Layer) -> bool:
    return layer.name in ("signed", "scores")  # and not the input, which has no sign to show


def check(pixels: np.ndarray, wanted: np.ndarray, colours: str, units: int | None) -> None:
    """All pixels are opaque and where they should be on a colour map, but for those of no unit."""
    shown, wanted, count = pixels.reshape(-1, 4), wanted.ravel(), units or wanted.size
    assert (shown[:count, 3] == 255).all()
    assert (shown[count:, 3] == 0).all()
    off = np.abs(strengths(shown[:count], colours) - wanted[:count])
    assert off.max() <= ROUNDING / (NOTHING if colours == "signed" else 255) + 1e-6


@pytest.mark.parametrize("colours", COLOUR_MAPS)
@pytest.mark.parametrize("scale", ["layer", "map", "held"])
@pytest.mark.parametrize("curve", ["root", "linear"])
def test_every_unit_has_its_place_and_colour(activations, colours, scale, curve):
    held = {str(layer.index): 1.5 for layer in LAYERS if layer.name != "odd"}  # some are above
    style = {"colours": colours, "scale": scale, "curve": curve, "held": held}
    png, largest = render_sheet(LAYERS, activations, style)
    sheet, top = read_png(png), 0
    assert sheet.shape[1] == max(one.width for one in GALLERIES)
    for layer in LAYERS:
        values = activations[layer.index].astype(float)
        assert largest[layer.index] == pytest.approx(np.abs(values).max())
        is_input = layer.kind == "input"
        for index, pixels in enumerate(maps_on(sheet, layer, top)):
            one = values[:, :, index]
            brightest = np.abs(one if scale == "map" else values).max()
            if scale == "held" and not is_input and layer.name != "odd":
                brightest = 1.5
            wanted = np.minimum(np.abs(one) / brightest, 1)
            if curve == "root" and not is_input:
                wanted = np.sqrt(wanted)
            has_sign = is_signed(layer)
            wanted = wanted * np.sign(one)
            check(pixels, wanted, "signed" if has_sign else colours, layer.units)
        top += height_of(layer)
    assert top == len(sheet)


def test_a_first_visit_has_inferno_by_layer_and_the_root(activations):
    style = {"colours": "inferno", "scale": "layer", "curve": "root", "shown": "B"}
    assert render_sheet(LAYERS, activations) == render_sheet(LAYERS, activations, style)


def test_the_sheet_has_the_layers_asked_for_and_no_others(activations):
    whole = read_png(render_sheet(LAYERS, activations)[0])
    tops = np.cumsum([0, *map(height_of, LAYERS)])
    for asked in ([3], [0, 2, 6], [5, 7, 8, 9]):
        layers = [LAYERS[index] for index in asked]
        png, largest = render_sheet(layers, {index: activations[index] for index in asked})
        assert list(largest) == asked
        parts = [whole[tops[index] : tops[index + 1]] for index in asked]
        width = max(layer.columns * (layer.width + 1) - 1 for layer in layers)
        np.testing.assert_array_equal(read_png(png), np.concatenate(parts)[:, :width])
    nothing, largest = render_sheet([], {})
    assert largest == {}
    assert not read_png(nothing)[:, :, 3].any()


@pytest.mark.parametrize(
    "style",
    [
        {"shown": "C"},
        "grey",
        {"colours": "rainbow"},
        {"colours": ["grey"]},
        {"scale": "log"},
        {"curve": "log"},
        {"scale": "held"},
        {"scale": "held", "held": [1.0]},
        {"scale": "held", "held": {"1": "x"}},
        {"scale": "held", "held": {"1": 1.0, "2": -1.0}},
        {"scale": "held", "held": {"1": float("nan")}},
        {"scale": "held", "held": {"1": 10**400}},
    ],
)
def test_a_style_that_there_is_not(style):
    with pytest.raises(RequestError, match="a style"):
        check_style(style)


def test_gaps_are_transparent(activations):
    sheet = read_png(render_sheet(LAYERS, activations)[0])
    opaque = sum(layer.units or layer.height * layer.width * len(layer.maps) for layer in LAYERS)
    assert (sheet[:, :, 3] == 255).sum() == opaque


def test_the_galleries_are_the_articles(client):
    """As the released model tells them."""
    network = ExposedNetwork(client)
    [image, *layers, scores] = network.description().layers
    assert (image.mosaic_height, image.mosaic_width) == (28, 28)
    for layer, gallery in zip(layers, GALLERIES, strict=True):
        told = layer.index, layer.name, layer.title, len(layer.maps), layer.columns, layer.rows
        assert told == (*gallery[:5], gallery.rows)
        assert (layer.mosaic_height, layer.mosaic_width) == (gallery.height, gallery.width)
        assert (layer.height, layer.width) == (gallery.side, gallery.side)
    assert (scores.name, scores.shape) == ("logits", (10,))


@pytest.mark.parametrize("curve", ["root", "linear"])
def test_a_silent_layer_is_black_and_a_faint_one_as_bright_as_any(activations, curve):
    layers = [layer for layer in LAYERS if not is_signed(layer)]
    style = {"curve": curve}
    for silence in (0.0, 1e-14):
        silent = {index: np.full_like(array, silence) for index, array in activations.items()}
        sheet = read_png(render_sheet(layers, silent, style)[0])
        assert sheet[:, :, :3][sheet[:, :, 3] == 255].max() < 10
    faint = {index: array * np.float32(2**-20) for index, array in activations.items()}
    sheets = [render_sheet(LAYERS, one, style)[0] for one in (activations, faint)]
    assert sheets[0] == sheets[1]


@pytest.mark.parametrize("colours", COLOUR_MAPS)
def test_a_colour_map_grows_lighter_all_the_way(colours):
    palette = np.frombuffer(COLOUR_MAPS[colours], np.uint8).reshape(256, 3)
    lightness = palette @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[0] < (1 if colours != "cividis" else 40)
    assert lightness[-1] > 200


def test_what_has_a_sign_is_as_light_above_nothing_as_below():
    """Luminance by the definition of sRGB; blue and orange never meet but in black."""
    colours = np.frombuffer(SIGNED, np.uint8).reshape(256, 3)[:255] / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    below, above = luminance[NOTHING::-1], luminance[NOTHING:]
    assert (np.diff(below) >= -1e-4).all()
    assert (np.diff(above) >= -1e-4).all()
    lightness = [116 * np.cbrt(each) for each in (below[20:], above[20:])]
    np.testing.assert_allclose(*lightness, atol=2)
    assert luminance[NOTHING] < 0.005
    warmth = colours[:, 0] - colours[:, 2]
    assert (warmth[: NOTHING - 20] < -0.05).all()
    assert (warmth[NOTHING + 20 :] > 0.05).all()


@pytest.mark.parametrize("curve", ["root", "linear"])
def test_a_difference_is_signed_on_one_scale(activations, curve):
    rng = np.random.default_rng(8)
    difference = {index: a - rng.permuted(a) for index, a in activations.items()}
    png, largest = render_sheet(LAYERS, difference, {"shown": "difference", "curve": curve})
    sheet, top = read_png(png), 0
    for layer in LAYERS:
        values = difference[layer.index].astype(float)
        assert largest[layer.index] == pytest.approx(np.abs(values).max())
        wanted = values / np.abs(values).max()
        if curve == "root" and layer.kind != "input":
            wanted = np.sign(wanted) * np.sqrt(np.abs(wanted))
        for index, pixels in enumerate(maps_on(sheet, layer, top)):
            check(pixels, wanted[:, :, index], "signed", layer.units)
        top += height_of(layer)


@pytest.mark.parametrize("curve", ["root", "linear"])
@pytest.mark.parametrize("shown", ["B", "difference"])
def test_a_map_in_full_looks_as_on_the_sheet(activations, curve, shown):
    for name, colours in (("h_conv2", "cividis"), ("signed", "signed")):
        [layer] = [layer for layer in LAYERS if layer.name == name]
        colours = "signed" if shown == "difference" else colours
        numbers = activations[layer.index][:, :, 3]
        for brightest in (float(np.abs(numbers).max()), 0.5):
            style = {"colours": "cividis", "curve": curve, "shown": shown}
            wanted = np.minimum(np.abs(numbers) / brightest, 1)
            wanted = np.sign(numbers) * (np.sqrt(wanted) if curve == "root" else wanted)
            check(read_sheet(render_map(numbers, layer, brightest, style)), wanted, colours, None)


def test_a_picture_in_its_own_colours():
    pixels = np.random.default_rng(3).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read_png(write_image(pixels))[:, :, :3], pixels)


def test_small_grids():
    numbers = np.array([[-2.0, 0.0], [1.0, 2.0]])
    picture = read_sheet(render_grid(numbers, "signed"))
    palette = np.frombuffer(SIGNED, np.uint8).reshape(256, 3)
    levels = [[0, NOTHING], [3 * NOTHING // 2, 2 * NOTHING]]
    np.testing.assert_array_equal(picture[:, :, :3], palette[np.array(levels)])
    grey = read_sheet(render_grid(np.array([[0.0, 0.5]]), "grey", largest=1.0))
    np.testing.assert_array_equal(grey[0, :, 0], [0, 127])


def test_what_does_not_contribute_is_transparent():
    picture = read_sheet(render_contributions(np.array([[-1.0, 0.0, 0.5]]))).astype(int)
    assert picture[0, :, 3].tolist() == [255, 0, pytest.approx(168, abs=3)]
    assert picture[0, 0, 2] > picture[0, 0, 0]  # blue against
    assert picture[0, 2, 0] > picture[0, 2, 2]  # orange for
    assert not read_sheet(render_contributions(np.zeros((2, 2))))[:, :, 3].any()


def test_a_silent_layer_looks_silent(client):
    """An empty pad leaves what biases make, which by its own scale would look like a digit's."""
    [seen] = ExposedNetwork(client).infer(np.zeros((1, 112, 112, 1), np.uint8), range(6))
    layers, least = seen.description.layers[:6], seen.description.min_scale
    assert least == 0.5

    def brightness(*scale: float) -> float:
        sheet, _ = render_sheet(layers, seen.maps, None, *scale)
        return float(read_png(sheet)[:, :, :3].astype(int).sum())

    assert brightness(least) < 0.6 * brightness()
    loud = {index: maps + least for index, maps in seen.maps.items()}
    assert render_sheet(layers, loud, None, least) == render_sheet(layers, loud)
