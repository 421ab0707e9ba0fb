"""The colour maps, and the rendered sheet pixel by pixel."""

import numpy as np
import pytest

from demo.colours import COLOURS as COLOUR_MAPS
from demo.colours import SIGNED, ZERO
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
from tests.make_colour_maps import make_colour_maps
from tests.pictures import read_png, read_sheet

# Tolerance of a pixel in steps of 256 colours: half of one of 127 levels, and half a colour.
ROUNDING = 255 / 126 / 2 + 0.5
COLOURS = {
    **{name: np.frombuffer(table, np.uint8).reshape(256, 3) for name, table in COLOUR_MAPS.items()},
    "signed": np.frombuffer(SIGNED, np.uint8).reshape(256, 3)[:255],
}


STORED = (*COLOUR_MAPS.values(), SIGNED)  # in the order of the file


def layer_fields(name: str, shape: list[int], columns: int, **fields: object) -> dict:
    """The fields of a layer whose units are all shown."""
    height, width, maps = (*shape, 1)[:3] if len(shape) > 1 else fields.pop("square")
    thumbnail = {"maps": list(range(maps)), "height": height, "width": width, "blocks": [1, 1]}
    common = {
        "kind": "convolution",
        "class": "Conv2D",
        "from": [],
        "is_exact": True,
        "receptive_field": None,
    }
    common |= {"window": None, "activation": "relu", "is_signed": False, "thumbnail": thumbnail}
    return {"name": name, "shape": shape, "columns": columns, **common, **fields}


def make_layers() -> tuple[Layer, ...]:
    """The galleries of the article, and layers with odd sizes or signs."""
    layers = [layer_fields("input", [28, 28], 1, kind="input")]
    for gallery in GALLERIES[:-1]:
        shape = [gallery.side, gallery.side, gallery.maps]
        layers.append(layer_fields(gallery.name, shape, gallery.columns))
    layers += [
        layer_fields("h_fc1", [1024], 1, kind="dense", square=(32, 32, 1)),
        layer_fields("odd", [5, 9, 7], 3),
        layer_fields("signed", [6, 4, 5], 2, is_signed=True, activation="linear"),
        layer_fields("scores", [10], 1, kind="dense", square=(3, 4, 1), is_signed=True),
        layer_fields("colours", [8, 7, 3], 16, kind="input", is_signed=True),
    ]
    input_fields = {"kind": "drawing", "height": 28, "width": 28}
    fields = {"input": input_fields, "layers": layers, "max_batch_size": 8}
    return make_description(fields, "mnist", 1, frozenset()).layers


LAYERS = make_layers()


def strengths(pixels: np.ndarray, colours: str) -> np.ndarray:
    """Positions of pixels on a colour map: 0 to 1, or -1 to 1 on the signed map."""
    table = {tuple(map(int, colour)): index for index, colour in enumerate(COLOURS[colours])}
    flat = pixels[..., :3].reshape(-1, 3)
    indices = np.array([table[tuple(map(int, pixel))] for pixel in flat])
    indices = indices.reshape(pixels.shape[:-1])
    return (indices - ZERO) / ZERO if colours == "signed" else indices / 255


def maps_on(sheet: np.ndarray, layer: Layer, top: int) -> list[np.ndarray]:
    """The pixels of each map of a layer that begins at row `top` of a sheet."""
    maps = []
    for index in range(len(layer.maps)):
        row, column = divmod(index, layer.columns)
        y, x = top + row * (layer.height + 1), column * (layer.width + 1)
        maps.append(sheet[y : y + layer.height, x : x + layer.width])
    return maps


def height_of(layer: Layer) -> int:
    """Height of the mosaic, with a pixel between two rows of maps."""
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
    return layer.name in ("signed", "scores")  # the input is drawn without signs


def check(pixels: np.ndarray, expected: np.ndarray, colours: str, units: int | None) -> None:
    """Asserts that units have the expected colours, and that padding is transparent."""
    shown, expected, count = pixels.reshape(-1, 4), expected.ravel(), units or expected.size
    assert (shown[:count, 3] == 255).all()
    assert (shown[count:, 3] == 0).all()
    errors = np.abs(strengths(shown[:count], colours) - expected[:count])
    assert errors.max() <= ROUNDING / (ZERO if colours == "signed" else 255) + 1e-6


@pytest.mark.parametrize("colours", COLOUR_MAPS)
@pytest.mark.parametrize("scale", ["layer", "map", "held"])
@pytest.mark.parametrize("curve", ["root", "linear"])
def test_every_unit_has_its_position_and_colour(activations, colours, scale, curve):
    held = {
        str(layer.index): 1.5 for layer in LAYERS if layer.name != "odd"
    }  # some activations are larger
    style = {"colours": colours, "scale": scale, "curve": curve, "held": held}
    png, largest = render_sheet(LAYERS, activations, style)
    sheet, top = read_png(png), 0
    assert sheet.shape[1] == max(gallery.width for gallery in GALLERIES)
    for layer in LAYERS:
        values = activations[layer.index].astype(float)
        assert largest[layer.index] == pytest.approx(np.abs(values).max())
        is_input = layer.kind == "input"
        for index, pixels in enumerate(maps_on(sheet, layer, top)):
            numbers = values[:, :, index]
            brightest = np.abs(numbers if scale == "map" else values).max()
            if scale == "held" and not is_input and layer.name != "odd":
                brightest = 1.5
            expected = np.minimum(np.abs(numbers) / brightest, 1)
            if curve == "root" and not is_input:
                expected = np.sqrt(expected)
            has_sign = is_signed(layer)
            expected = expected * np.sign(numbers)
            check(pixels, expected, "signed" if has_sign else colours, layer.units)
        top += height_of(layer)
    assert top == len(sheet)


def test_default_style_is_inferno_by_layer_and_root(activations):
    style = {"colours": "inferno", "scale": "layer", "curve": "root", "shown": "B"}
    assert render_sheet(LAYERS, activations) == render_sheet(LAYERS, activations, style)


def test_sheet_has_the_requested_layers_only(activations):
    whole = read_png(render_sheet(LAYERS, activations)[0])
    tops = np.cumsum([0, *map(height_of, LAYERS)])
    for indices in ([3], [0, 2, 6], [5, 7, 8, 9]):
        layers = [LAYERS[index] for index in indices]
        png, largest = render_sheet(layers, {index: activations[index] for index in indices})
        assert list(largest) == indices
        parts = [whole[tops[index] : tops[index + 1]] for index in indices]
        width = max(layer.columns * (layer.width + 1) - 1 for layer in layers)
        np.testing.assert_array_equal(read_png(png), np.concatenate(parts)[:, :width])
    empty, largest = render_sheet([], {})
    assert largest == {}
    assert not read_png(empty)[:, :, 3].any()


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
def test_invalid_style_is_refused(style):
    with pytest.raises(RequestError, match="a style"):
        check_style(style)


def test_gaps_are_transparent(activations):
    sheet = read_png(render_sheet(LAYERS, activations)[0])
    opaque = sum(layer.units or layer.height * layer.width * len(layer.maps) for layer in LAYERS)
    assert (sheet[:, :, 3] == 255).sum() == opaque


def test_released_model_has_the_galleries_of_the_article(client):
    network = ExposedNetwork(client)
    [image, *layers, scores] = network.description().layers
    assert (image.mosaic_height, image.mosaic_width) == (28, 28)
    for layer, gallery in zip(layers, GALLERIES, strict=True):
        properties = (
            layer.index,
            layer.name,
            layer.title,
            len(layer.maps),
            layer.columns,
            layer.rows,
        )
        assert properties == (*gallery[:5], gallery.rows)
        assert (layer.mosaic_height, layer.mosaic_width) == (gallery.height, gallery.width)
        assert (layer.height, layer.width) == (gallery.side, gallery.side)
    assert (scores.name, scores.shape) == ("logits", (10,))


@pytest.mark.parametrize("curve", ["root", "linear"])
def test_silent_layer_is_black_and_faint_layer_is_scaled(activations, curve):
    layers = [layer for layer in LAYERS if not is_signed(layer)]
    style = {"curve": curve}
    for silence in (0.0, 1e-14):
        silent = {index: np.full_like(array, silence) for index, array in activations.items()}
        sheet = read_png(render_sheet(layers, silent, style)[0])
        assert sheet[:, :, :3][sheet[:, :, 3] == 255].max() < 10
    faint = {index: array * np.float32(2**-20) for index, array in activations.items()}
    sheets = [render_sheet(LAYERS, maps, style)[0] for maps in (activations, faint)]
    assert sheets[0] == sheets[1]


def test_colour_maps_are_as_generated():
    stored = np.stack([np.frombuffer(table, np.uint8).reshape(256, 3) for table in STORED])
    np.testing.assert_array_equal(stored, make_colour_maps())


@pytest.mark.parametrize("colours", COLOUR_MAPS)
def test_colour_maps_grow_steadily_lighter(colours):
    palette = np.frombuffer(COLOUR_MAPS[colours], np.uint8).reshape(256, 3)
    lightness = palette @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[0] < (1 if colours in ("inferno", "grey") else 40)
    assert lightness[-1] > 200


def test_signed_map_is_symmetric_in_lightness():
    """Luminance by the definition of sRGB; blue and orange share no colour but black."""
    colours = np.frombuffer(SIGNED, np.uint8).reshape(256, 3)[:255] / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    below, above = luminance[ZERO::-1], luminance[ZERO:]
    assert (np.diff(below) >= -1e-4).all()
    assert (np.diff(above) >= -1e-4).all()
    lightness = [116 * np.cbrt(each) for each in (below[20:], above[20:])]
    np.testing.assert_allclose(*lightness, atol=2)
    assert luminance[ZERO] < 0.005
    warmth = colours[:, 0] - colours[:, 2]
    assert (warmth[: ZERO - 20] < -0.05).all()
    assert (warmth[ZERO + 20 :] > 0.05).all()


@pytest.mark.parametrize("curve", ["root", "linear"])
def test_difference_is_signed_on_one_scale(activations, curve):
    rng = np.random.default_rng(8)
    difference = {index: a - rng.permuted(a) for index, a in activations.items()}
    png, largest = render_sheet(LAYERS, difference, {"shown": "difference", "curve": curve})
    sheet, top = read_png(png), 0
    for layer in LAYERS:
        values = difference[layer.index].astype(float)
        assert largest[layer.index] == pytest.approx(np.abs(values).max())
        expected = values / np.abs(values).max()
        if curve == "root" and layer.kind != "input":
            expected = np.sign(expected) * np.sqrt(np.abs(expected))
        for index, pixels in enumerate(maps_on(sheet, layer, top)):
            check(pixels, expected[:, :, index], "signed", layer.units)
        top += height_of(layer)


@pytest.mark.parametrize("curve", ["root", "linear"])
@pytest.mark.parametrize("shown", ["B", "difference"])
def test_full_map_has_the_colours_of_the_sheet(activations, curve, shown):
    for name, colours in (("h_conv2", "cividis"), ("signed", "signed")):
        [layer] = [layer for layer in LAYERS if layer.name == name]
        colours = "signed" if shown == "difference" else colours
        numbers = activations[layer.index][:, :, 3]
        for brightest in (float(np.abs(numbers).max()), 0.5):
            style = {"colours": "cividis", "curve": curve, "shown": shown}
            expected = np.minimum(np.abs(numbers) / brightest, 1)
            expected = np.sign(numbers) * (np.sqrt(expected) if curve == "root" else expected)
            check(read_sheet(render_map(numbers, layer, brightest, style)), expected, colours, None)


def test_colour_picture_is_encoded_losslessly():
    pixels = np.random.default_rng(3).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read_png(write_image(pixels))[:, :, :3], pixels)


def test_grids_have_exact_colours():
    numbers = np.array([[-2.0, 0.0], [1.0, 2.0]])
    picture = read_sheet(render_grid(numbers, "signed"))
    palette = np.frombuffer(SIGNED, np.uint8).reshape(256, 3)
    levels = [[0, ZERO], [3 * ZERO // 2, 2 * ZERO]]
    np.testing.assert_array_equal(picture[:, :, :3], palette[np.array(levels)])
    grey = read_sheet(render_grid(np.array([[0.0, 0.5]]), "grey", largest=1.0))
    np.testing.assert_array_equal(grey[0, :, 0], [0, 127])


def test_contributions_of_zero_are_transparent():
    picture = read_sheet(render_contributions(np.array([[-1.0, 0.0, 0.5]]))).astype(int)
    assert picture[0, :, 3].tolist() == [255, 0, pytest.approx(168, abs=3)]
    assert picture[0, 0, 2] > picture[0, 0, 0]  # blue against
    assert picture[0, 2, 0] > picture[0, 2, 2]  # orange for
    assert not read_sheet(render_contributions(np.zeros((2, 2))))[:, :, 3].any()


def test_min_scale_keeps_a_blank_drawing_dark(client):
    """A blank drawing has the activations of the biases, which are not scaled up."""
    [inference] = ExposedNetwork(client).infer(np.zeros((1, 112, 112, 1), np.uint8), range(6))
    layers, min_scale = inference.description.layers[:6], inference.description.min_scale
    assert min_scale == 0.5

    def brightness(*scale: float) -> float:
        sheet, _ = render_sheet(layers, inference.maps, None, *scale)
        return float(read_png(sheet)[:, :, :3].astype(int).sum())

    assert brightness(min_scale) < 0.6 * brightness()
    loud = {index: maps + min_scale for index, maps in inference.maps.items()}
    assert render_sheet(layers, loud, None, min_scale) == render_sheet(layers, loud)
