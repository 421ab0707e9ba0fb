"""Input checks of the signatures, in the graph, before anything is computed.

TensorFlow Serving runs whatever the graph allows, and a small request can describe a huge input. So
rank, size and content are checked here. A request that fails is answered INVALID_ARGUMENT with a
sentence that says what is expected. Every `guard_…` returns its input if the checks pass.
"""

from collections.abc import Sequence

import tensorflow as tf

from model.network import CLASSES, DENSE_UNITS, SIDE
from model.picture import KINDS, kind_of_file, size_of_picture

# Limits per request.
MAX_ITEMS = 1024  # items with small answers
MAX_ITEMS_WITH_LAYERS = 256  # items answered with layers: 48 MB
MAX_EXPLAINED = 64  # drawings to explain; each is computed as many copies
MAX_UNITS = 64  # units whose weights are returned: 3,136 numbers each
MAX_SIDE = 2048  # pixels
MAX_DRAWING_PIXELS = 2**24  # in all drawings together
MAX_DECODED_PIXELS = 2**26  # in all picture files together, which are decoded one by one
MAX_GIF_BYTES = 65_536  # a GIF's header does not say how many frames it has
MAX_SCANS = 32  # of a progressive JPEG; each costs as much as decoding the whole picture
START_OF_SCAN = b"\xff\xda"


def guard_images(images: tf.Tensor) -> tf.Tensor:
    """Accepts float32 [N, 28, 28], N at most `MAX_ITEMS_WITH_LAYERS`, of finite numbers."""
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
    maximum: int,
    expected: str = "every number must be finite",
) -> tf.Tensor:
    """Accepts [N, *shape], N at most `maximum`, of finite numbers."""
    items = _guard_count(tf.ensure_shape(items, [None, *shape]), name, maximum)
    if not items.dtype.is_floating:
        return items
    return _require(
        tf.reduce_all(tf.math.is_finite(items)),
        f"{name}: {expected}; there is a NaN or an infinity.",
        items,
    )


def guard_drawings(drawings: tf.Tensor, maximum: int = MAX_ITEMS_WITH_LAYERS) -> tf.Tensor:
    """Accepts uint8 [N, H, W] within the limits above, N at most `maximum`."""
    return _guard_pictures(tf.ensure_shape(drawings, [None, None, None]), "drawings", maximum)


def guard_pictures(pictures: tf.Tensor, channels: int, maximum: int) -> tf.Tensor:
    """Accepts uint8 [N, H, W, channels] within the limits above, N at most `maximum`."""
    pictures = tf.ensure_shape(pictures, [None, None, None, channels])
    return _guard_pictures(pictures, "pictures", maximum)


def guard_files(files: tf.Tensor, maximum: int) -> tf.Tensor:
    """Accepts string [N] of picture files whose decoded sizes are within the limits above."""
    files = tf.ensure_shape(files, [None])
    files = _guard_count(files, "image_bytes", maximum)
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
        f"image_bytes: a progressive JPEG may have at most {MAX_SCANS} scans; "
        "save it as a baseline JPEG.",
        files,
    )
    sizes = tf.map_fn(
        size_of_picture, files, fn_output_signature=tf.TensorSpec([2], tf.int32)
    )  # [N, 2]
    return _guard_sizes(sizes, 1, MAX_DECODED_PIXELS, "image_bytes", files)


def guard_digits(digits: tf.Tensor, drawings: tf.Tensor) -> tf.Tensor:
    """Accepts int64 [N], one for each drawing, 0 to 9 or -1."""
    digits = _guard_one_each(digits, "digits", drawings, "drawing")
    return _guard_range(
        digits, -1, CLASSES, "digits: each must be 0 to 9, or -1 for the predicted digit"
    )


def guard_classes(classes: tf.Tensor, pictures: tf.Tensor, count: int) -> tf.Tensor:
    """Accepts int64 [N], one for each picture, 0 to `count` - 1 or -1."""
    classes = _guard_one_each(classes, "classes", pictures, "picture")
    return _guard_range(
        classes, -1, count, f"classes: each must be 0 to {count - 1:,}, or -1 for the likeliest"
    )


def guard_units(units: tf.Tensor) -> tf.Tensor:
    """Accepts int32 [N], N at most `MAX_UNITS`, unit numbers of `h_fc1`."""
    units = tf.ensure_shape(units, [None])
    units = _guard_count(units, "units", MAX_UNITS)
    return _guard_range(
        units,
        0,
        DENSE_UNITS,
        f"units: each must be the number of a unit of h_fc1, 0 to {DENSE_UNITS - 1:,}",
    )


def guard_layers(layers: tf.Tensor, count: int) -> tf.Tensor:
    """Accepts int32 [K], K at most `count`, layer numbers below `count`."""
    layers = _guard_count(tf.ensure_shape(layers, [None]), "layers", count)
    return _guard_range(
        layers, 0, count, f"layers: each must be the number of a layer, 0 to {count - 1:,}"
    )


def guard_number(number: tf.Tensor, name: str, count: tf.Tensor | int) -> tf.Tensor:
    """Accepts int32 [], 0 to `count` - 1."""
    number = tf.ensure_shape(number, [])
    sentence = f"{name}: must be 0 or more and less than the second number, but got the first:"
    is_valid = (number >= 0) & (number < count)
    return _require(is_valid, sentence, number, number, tf.convert_to_tensor(count))


def guard_anything(anything: tf.Tensor, maximum: int) -> tf.Tensor:
    """Accepts [N] of any numbers, N at most `maximum`."""
    return _guard_count(tf.ensure_shape(anything, [None]), "anything", maximum)


def _guard_one_each(numbers: tf.Tensor, name: str, items: tf.Tensor, item: str) -> tf.Tensor:
    numbers = tf.ensure_shape(numbers, [None])
    return _require(
        tf.shape(numbers)[0] == tf.shape(items)[0],
        f"{name}: there must be one for each {item}, but got:",
        numbers,
        tf.shape(numbers)[0],
    )


def _guard_range(numbers: tf.Tensor, start: int, end: int, sentence: str) -> tf.Tensor:
    is_inside = tf.reduce_all((numbers >= start) & (numbers < end))
    return _require(is_inside, f"{sentence}, but got:", numbers, numbers)


def _guard_pictures(pictures: tf.Tensor, name: str, maximum: int) -> tf.Tensor:
    """Accepts [N, H, W, …]."""
    pictures = _guard_count(pictures, name, maximum)
    count = tf.shape(pictures)[0]
    size = tf.where(count > 0, tf.shape(pictures)[1:3], 1)  # an empty batch may have any size
    return _guard_sizes(size[None], count, MAX_DRAWING_PIXELS, name, pictures)


def _guard_count(items: tf.Tensor, name: str, maximum: int) -> tf.Tensor:
    count = tf.shape(items)[0]
    sentence = f"{name}: at most {maximum:,} in a request, but got:"
    return _require(count <= maximum, sentence, items, count)


def _guard_sizes(
    sizes: tf.Tensor, times: tf.Tensor | int, maximum: int, name: str, items: tf.Tensor
) -> tf.Tensor:
    """Accepts sizes [K, 2], each counted `times`, up to `MAX_SIDE` and `maximum` pixels in all."""
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
        pixels <= maximum,
        f"{name}: at most {maximum:,} pixels in a request, but got:",
        items,
        pixels,
    )


def _require(condition: tf.Tensor, sentence: str, value: tf.Tensor, *got: tf.Tensor) -> tf.Tensor:
    """Returns `value` after the condition is checked, so that nothing computes with it before."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [sentence, *got], summarize=8)]):
        return tf.identity(value)
