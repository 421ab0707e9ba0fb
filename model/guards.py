"""What a signature lets in: checked inside the graph, before anything is computed from it.

TensorFlow Serving runs whatever the graph allows, and a few bytes of request can describe a huge
input, so rank, size and content are checked here; what does not fit is answered INVALID_ARGUMENT
with a sentence that says what was expected.
"""

from collections.abc import Sequence

import tensorflow as tf

from model.network import CLASSES, DENSE_UNITS, SIDE
from model.picture import KINDS, kind_of_file, size_of_picture

MAX_ITEMS = 1024  # of which a few numbers are answered
MAX_ITEMS_WITH_LAYERS = 256  # items whose layers are answered: 48 MB
MAX_EXPLAINED = 64  # drawings in a request to explain, each of which is read in many copies
MAX_UNITS = 64  # whose weights are told in a request, 3,136 each
MAX_SIDE = 2048
MAX_DRAWING_PIXELS = 2**24  # in all drawings of one request
MAX_DECODED_PIXELS = 2**26  # in all pictures of one request, unpacked one after the other
MAX_GIF_BYTES = 65_536  # bytes: how far a GIF unpacks, frame after frame, its header does not say
MAX_SCANS = 32  # passes over a progressive JPEG, each of which costs as much as the whole picture
START_OF_SCAN = b"\xff\xda"


def guard_images(images: tf.Tensor) -> tf.Tensor:
    """Lets through float32 [N, 28, 28] of at most `MAX_ITEMS_WITH_LAYERS` with finite numbers."""
    return guard_numbers(
        images,
        "images",
        [SIDE, SIDE],
        MAX_ITEMS_WITH_LAYERS,
        "every pixel must be a finite number, 0 = paper to 1 = ink",
    )


def guard_numbers(
    items: tf.Tensor,
    name: str,
    shape: Sequence[int],
    most: int,
    expected: str = "every number must be finite",
) -> tf.Tensor:
    """Lets through [N, *shape] of at most `most` items with finite numbers."""
    items = _guard_count(tf.ensure_shape(items, [None, *shape]), name, most)
    if not items.dtype.is_floating:
        return items
    return _require(
        tf.reduce_all(tf.math.is_finite(items)),
        f"{name}: {expected}; there is a NaN or an infinity.",
        items,
    )


def guard_drawings(drawings: tf.Tensor, most: int = MAX_ITEMS_WITH_LAYERS) -> tf.Tensor:
    """Lets through uint8 [N, H, W] within the limits above, at most `most` of them."""
    return _guard_pictures(tf.ensure_shape(drawings, [None, None, None]), "drawings", most)


def guard_pictures(pictures: tf.Tensor, channels: int, most: int) -> tf.Tensor:
    """Lets through uint8 [N, H, W, channels] within the limits above, at most `most` of them."""
    pictures = tf.ensure_shape(pictures, [None, None, None, channels])
    return _guard_pictures(pictures, "pictures", most)


def guard_files(files: tf.Tensor, most: int = MAX_ITEMS) -> tf.Tensor:
    """Lets through string [N] of picture files whose unpacked sizes are within the limits."""
    files = tf.ensure_shape(files, [None])
    files = _guard_count(files, "image_bytes", most)
    kinds = tf.map_fn(kind_of_file, files, fn_output_signature=tf.int32)  # [N]
    files = _require(
        tf.reduce_all(kinds >= 0),
        f"image_bytes: every item must be a {', '.join(KINDS[:-1])} or {KINDS[-1]} file "
        "(base64 in REST); these indices are not:",
        files,
        tf.where(kinds < 0),
    )
    is_long_gif = tf.logical_and(
        kinds == KINDS.index("GIF"), tf.strings.length(files) > MAX_GIF_BYTES
    )
    files = _require(
        tf.logical_not(tf.reduce_any(is_long_gif)),
        f"image_bytes: a GIF may have at most {MAX_GIF_BYTES:,} bytes; send a PNG or JPEG instead.",
        files,
    )
    scans = tf.strings.split(files, START_OF_SCAN).row_lengths() - 1  # [N]
    has_many_scans = tf.logical_and(kinds == KINDS.index("JPEG"), scans > MAX_SCANS)
    files = _require(
        tf.logical_not(tf.reduce_any(has_many_scans)),
        f"image_bytes: a progressive JPEG may have at most {MAX_SCANS} scans; save it anew.",
        files,
    )
    sizes = tf.map_fn(
        size_of_picture, files, fn_output_signature=tf.TensorSpec([2], tf.int32)
    )  # [N, 2]
    return _guard_sizes(sizes, 1, MAX_DECODED_PIXELS, "image_bytes", files)


def guard_digits(digits: tf.Tensor, drawings: tf.Tensor) -> tf.Tensor:
    """Lets through int64 [N], one for each drawing, from 0 to 9 or -1."""
    digits = _guard_one_each(digits, "digits", drawings, "drawing")
    return _guard_range(
        digits, -1, CLASSES, "digits: each must be 0 to 9, or -1 for the digit that is read"
    )


def guard_classes(classes: tf.Tensor, pictures: tf.Tensor, count: int) -> tf.Tensor:
    """Lets through int64 [N], one for each picture, below `count`, or -1."""
    classes = _guard_one_each(classes, "classes", pictures, "picture")
    return _guard_range(
        classes, -1, count, f"classes: each must be 0 to {count - 1:,}, or -1 for the likeliest"
    )


def guard_units(units: tf.Tensor) -> tf.Tensor:
    """Lets through int32 [N] of at most `MAX_UNITS` numbers of units of `h_fc1`."""
    units = tf.ensure_shape(units, [None])
    units = _guard_count(units, "units", MAX_UNITS)
    return _guard_range(
        units,
        0,
        DENSE_UNITS,
        f"units: each must be the number of a unit of h_fc1, 0 to {DENSE_UNITS - 1:,}",
    )


def guard_layers(layers: tf.Tensor, count: int) -> tf.Tensor:
    """Lets through int32 [K] of at most `count` numbers of layers."""
    layers = _guard_count(tf.ensure_shape(layers, [None]), "layers", count)
    return _guard_range(
        layers, 0, count, f"layers: each must be the number of a layer, 0 to {count - 1:,}"
    )


def guard_number(number: tf.Tensor, name: str, count: tf.Tensor | int) -> tf.Tensor:
    """Lets through int32 [] from 0 to below `count`."""
    number = tf.ensure_shape(number, [])
    sentence = f"{name}: must be a number from 0 to below the second of these, but got the first:"
    is_there = (number >= 0) & (number < count)
    return _require(is_there, sentence, number, number, tf.convert_to_tensor(count))


def guard_anything(anything: tf.Tensor, most: int) -> tf.Tensor:
    """Lets through [N] of any numbers, at most `most` of them."""
    return _guard_count(tf.ensure_shape(anything, [None]), "anything", most)


def _guard_one_each(numbers: tf.Tensor, name: str, items: tf.Tensor, item: str) -> tf.Tensor:
    numbers = tf.ensure_shape(numbers, [None])
    return _require(
        tf.shape(numbers)[0] == tf.shape(items)[0],
        f"{name}: there must be one for each {item}, but got:",
        numbers,
        tf.shape(numbers)[0],
    )


def _guard_range(numbers: tf.Tensor, least: int, end: int, sentence: str) -> tf.Tensor:
    is_inside = tf.reduce_all((numbers >= least) & (numbers < end))
    return _require(is_inside, f"{sentence}, but got:", numbers, numbers)


def _guard_pictures(pictures: tf.Tensor, name: str, most: int) -> tf.Tensor:
    """Of [N, H, W, …]."""
    pictures = _guard_count(pictures, name, most)
    count = tf.shape(pictures)[0]
    size = tf.where(count > 0, tf.shape(pictures)[1:3], 1)  # an empty batch is of any size
    return _guard_sizes(size[None], count, MAX_DRAWING_PIXELS, name, pictures)


def _guard_count(items: tf.Tensor, name: str, most: int) -> tf.Tensor:
    count = tf.shape(items)[0]
    return _require(count <= most, f"{name}: at most {most:,} in a request, but got:", items, count)


def _guard_sizes(
    sizes: tf.Tensor, times: tf.Tensor | int, most: int, name: str, items: tf.Tensor
) -> tf.Tensor:
    """Sides from 1 to `MAX_SIDE`, and `most` pixels in all, `sizes` [K, 2] each `times`."""
    items = _require(
        tf.reduce_all((sizes >= 1) & (sizes <= MAX_SIDE)),
        f"{name}: height and width must be 1 to {MAX_SIDE:,} pixels, but got:",
        items,
        sizes,
    )
    pixels = tf.reduce_sum(tf.reduce_prod(tf.cast(sizes, tf.int64), axis=1)) * tf.cast(
        times, tf.int64
    )
    return _require(
        pixels <= most,
        f"{name}: at most {most:,} pixels in a request, but got:",
        items,
        pixels,
    )


def _require(condition: tf.Tensor, sentence: str, value: tf.Tensor, *got: tf.Tensor) -> tf.Tensor:
    """`value`, once the condition is known to hold; nothing computed from it starts before."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [sentence, *got], summarize=8)]):
        return tf.identity(value)
