"""The sheet, pixel by pixel, against the activations."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from demo.colours import COLOURS as COLOUR_MAPS
from demo.colours import INFERNO, NOTHING, SIGNED
from demo.errors import RequestError
from demo.layers import GALLERIES, SHEET, Layer
from demo.render import check_style, render_contributions, render_grid, render_sheet

COLOURS = np.frombuffer(INFERNO, np.uint8).reshape(256, 3)


def read_sheet(url: str) -> np.ndarray:
    """The picture of a data URL: uint8 [H, W, 4]."""
    head, data = url.split(",", 1)
    assert head == "data:image/png;base64"
    return read_png(base64.b64decode(data))


def read_png(png: bytes) -> np.ndarray:
    """uint8 [H, W, 4]."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def map_on(sheet: np.ndarray, layer: Layer, index: int) -> np.ndarray:
    """One map's pixels on a sheet, found by counting rows and columns."""
    row, column = divmod(index, layer.columns)
    top, left = layer.top + row * (layer.side + 1), column * (layer.side + 1)
    return sheet[top : top + layer.side, left : left + layer.side]


@pytest.fixture
def activations() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = {layer.name: (layer.side, layer.side, layer.maps) for layer in GALLERIES}
    maps = {name: np.maximum(rng.normal(0, 2, shape), 0) for name, shape in shapes.items()}
    maps["h_fc1"] = maps["h_fc1"].reshape(1024)
    maps["images"] = rng.random((28, 28))
    return {name: array.astype(np.float32) for name, array in maps.items()}


def test_every_unit_has_its_place_and_colour(activations):
    png, largest = render_sheet(activations)
    sheet = read_png(png)
    for layer in SHEET:
        values = activations[layer.name].reshape(layer.side, layer.side, layer.maps)
        assert largest[layer.name] == pytest.approx(values.max())
        for index in range(layer.maps):
            pixels = map_on(sheet, layer, index)
            levels = np.rint(values[:, :, index] / values.max() * 254).astype(int)
            assert (pixels[:, :, 3] == 255).all()
            difference = pixels[:, :, :3].astype(int) - COLOURS[levels]
            assert np.abs(difference).max() <= 6, (layer.name, index)  # one level of rounding


@pytest.mark.parametrize("colours", COLOUR_MAPS)
@pytest.mark.parametrize("scale", ["layer", "map", "held"])
def test_every_style_is_what_it_says(activations, colours, scale):
    held = {layer.name: 1.0 for layer in SHEET}  # some activations are above
    png, largest = render_sheet(activations, {"colours": colours, "scale": scale, "held": held})
    sheet = read_png(png)
    palette = np.frombuffer(COLOUR_MAPS[colours], np.uint8).reshape(256, 3).astype(int)
    for layer in GALLERIES:
        values = activations[layer.name].reshape(layer.side, layer.side, layer.maps)
        assert largest[layer.name] == pytest.approx(values.max())
        for index in range(layer.maps):
            one = values[:, :, index]
            brightest = {"layer": values.max(), "map": one.max(), "held": 1.0}[scale]
            levels = np.rint(np.minimum(one / brightest, 1) * 254).astype(int)
            pixels = map_on(sheet, layer, index)[:, :, :3].astype(int)
            assert np.abs(pixels - palette[levels]).max() <= 6, (layer.name, index)


@pytest.mark.parametrize(
    "style",
    [
        {"shown": "C"},
        "grey",
        {"colours": "rainbow"},
        {"scale": "log"},
        {"scale": "held"},
        {"scale": "held", "held": {"h_conv1": 1.0}},
        {"scale": "held", "held": {layer.name: "x" for layer in GALLERIES}},
        {"scale": "held", "held": {layer.name: 10**400 for layer in GALLERIES}},
    ],
)
def test_a_style_that_there_is_not(style):
    with pytest.raises(RequestError, match="a style"):
        check_style(style)


def test_gaps_are_transparent(activations):
    sheet = read_png(render_sheet(activations)[0])
    opaque = sum(layer.maps * layer.side**2 for layer in SHEET)
    assert (sheet[:, :, 3] == 255).sum() == opaque


def test_the_grids_are_the_articles():
    assert {layer.name: layer.columns for layer in GALLERIES} == {
        "h_conv1": 8,
        "h_pool1": 8,
        "h_conv2": 16,
        "h_pool2": 16,
        "h_fc1": 1,
    }


@pytest.mark.parametrize("value", [0.0, 0.001])
def test_a_silent_layer_is_dark(activations, value):
    silent = {name: np.full_like(array, value) for name, array in activations.items()}
    sheet = read_png(render_sheet(silent)[0])
    assert sheet[:, :, :3][sheet[:, :, 3] == 255].max() < 30


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


def test_a_difference_is_signed_on_one_scale(activations):
    rng = np.random.default_rng(8)
    difference = {n: a - rng.permuted(a) for n, a in activations.items()}
    png, largest = render_sheet(difference, {"shown": "difference"})
    sheet = read_png(png)
    palette = np.frombuffer(SIGNED, np.uint8).reshape(256, 3)
    for layer in SHEET:
        values = layer.unflatten(difference[layer.name])
        assert largest[layer.name] == pytest.approx(np.abs(values).max())
        levels = NOTHING + np.rint(values[:, :, 0] / np.abs(values).max() * NOTHING).astype(int)
        off = map_on(sheet, layer, 0)[:, :, :3].astype(int) - palette[levels]
        assert np.abs(off).max() <= 4, layer.name


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
