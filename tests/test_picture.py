"""Picture files in the graph and on the page."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from demo.picture_file import find_drawing
from model.picture import find_ink, to_drawing
from tests.fuzz.picture_files import bomb
from tests.pictures import dark_on_light, encode


@pytest.fixture
def digit(digits) -> np.ndarray:
    return digits[0][3700]  # a 7


def transparent(picture: Image.Image, colour: int) -> Image.Image:
    rgba = np.full((*picture.size[::-1], 4), colour, np.uint8)
    rgba[:, :, 3] = 255 - np.asarray(picture)
    return Image.fromarray(rgba)


def variants(digit: np.ndarray) -> dict[str, tuple[Image.Image, str]]:
    black = dark_on_light(digit)
    white = Image.fromarray(255 - np.asarray(black))
    pale = Image.fromarray((np.asarray(black) * 0.3 + 150).astype(np.uint8))
    return {
        "black on white PNG": (black, "PNG"),
        "white on black PNG": (white, "PNG"),
        "pencil on grey PNG": (pale, "PNG"),
        "RGB PNG": (black.convert("RGB"), "PNG"),
        "palette PNG": (black.convert("P"), "PNG"),
        "one-bit PNG": (black.convert("1"), "PNG"),
        "grey and alpha PNG": (black.convert("LA"), "PNG"),
        "black on transparent PNG": (transparent(black, 0), "PNG"),
        "white on transparent PNG": (transparent(black, 255), "PNG"),
        "JPEG": (black, "JPEG"),
        "RGB JPEG": (white.convert("RGB"), "JPEG"),
        "GIF": (black, "GIF"),
        "BMP": (black, "BMP"),
        "RGB BMP": (white.convert("RGB"), "BMP"),
    }


@pytest.mark.parametrize("name", variants(np.zeros((28, 28), np.uint8)))
def test_each_file_format_is_classified(client, digit, name):
    picture, kind = variants(digit)[name]
    answer = client.predict("classify", {"image_bytes": np.array([encode(picture, kind)], object)})
    assert answer["classes"].tolist() == [7]


@pytest.mark.parametrize("name", variants(np.zeros((28, 28), np.uint8)))
def test_page_and_graph_find_the_same_ink(digit, name):
    picture, kind = variants(digit)[name]
    file = encode(picture, kind)
    in_graph = to_drawing(tf.constant(file)).numpy()
    in_page = find_drawing(Image.open(io.BytesIO(file)))
    assert in_graph.shape == in_page.shape
    assert np.abs(in_graph.astype(int) - in_page).max() <= 6


def test_photograph_is_classified(client, photograph):
    file = np.array([encode(photograph, "JPEG")], object)
    assert client.predict("classify", {"image_bytes": file})["classes"].tolist() == [7]
    drawing = find_drawing(photograph)
    assert client.predict("sketch", {"drawings": drawing[None]})["logits"].argmax() == 7


def test_blank_paper_has_no_ink():
    grain = np.random.default_rng(3).normal(200, 5, (100, 80)).astype(np.float32)
    assert not find_ink(tf.constant(grain)).numpy().any()
    assert not find_drawing(Image.fromarray(grain.astype(np.uint8))).any()


def test_clean_digit_does_not_change(digit):
    """The ramp between paper and ink keeps its strokes."""
    ink = to_drawing(tf.constant(encode(Image.fromarray(digit), "PNG"))).numpy()
    np.testing.assert_array_equal(ink[digit == 0], 0)
    np.testing.assert_array_equal(ink[digit > 250], 255)


def test_rotated_photograph_is_rotated_back(digit):
    upright = dark_on_light(digit).convert("RGB")
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    file = io.BytesIO()
    turned.save(file, "JPEG", exif=exif, quality=100)
    np.testing.assert_allclose(
        find_drawing(Image.open(file)).astype(int), find_drawing(upright).astype(int), atol=80
    )


def test_decompression_bomb_is_not_decoded():
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(bomb(5001)))
