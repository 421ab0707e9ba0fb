"""Exposed models as served: outputs, preprocessing, classes, explanations, rejected input."""

import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image, ImageFilter
from scipy.special import softmax

from model.drawing import to_mnist_form
from model.explanation import _masks
from model.exposed.describe import describe
from model.exposed.network import Network
from model.exposed.preprocessing import make_preprocessing
from model.exposed.signatures import ExposedModel, build_signatures
from serving.embedded.status import StatusError
from tests.exposed_zoo import KINDS, exposed, prepare_corner, unsettle

pytestmark = pytest.mark.slow
SMALL = [kind for kind in KINDS if kind not in ("large", "linear")]
SIGNATURES = {
    "serving_default",
    "preview",
    "layer",
    "parameters",
    "classify",
    "explain",
    "describe",
}


def output_of(model: keras.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the outputs by Keras."""
    output = model(x, training=False)
    named = output if isinstance(output, dict) else {"": output}
    return {name: np.asarray(tensor) for name, tensor in named.items()}


@pytest.mark.parametrize("kind", SMALL)
def test_served_outputs_equal_kerass(kind):
    model = exposed(kind)
    for count in (0, 1, 5):
        x = model.inputs(count, seed=count)
        truth = output_of(model.model, model.inputs(max(count, 1), seed=count))
        served = model.serve(x)
        outputs = model.description["outputs"]
        assert set(outputs) == (set(truth) if len(truth) > 1 else {model.layers[-1]["name"]})
        for name in outputs:
            np.testing.assert_allclose(
                served[name], truth.get(name, truth.get(""))[:count], atol=1e-4
            )


@pytest.mark.parametrize("kind", SMALL)
def test_tracing_a_model_does_not_change_its_outputs(kind):
    model = exposed(kind)
    x = model.inputs(4, seed=9)
    network = Network(model.model, tf.TensorSpec([None, *x.shape[1:]], x.dtype, "x"))
    for run in (network.run, network.run_output):
        results = tf.function(run)(tf.constant(x))
        for name, truth in output_of(model.model, x).items():
            output = results.outputs[name or model.layers[-1]["name"]]
            np.testing.assert_allclose(output, truth, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_layer_names_are_unique_and_sources_come_first(kind):
    model = exposed(kind)
    names = [layer["name"] for layer in model.layers]
    assert len(set(names)) == len(names)
    for index, layer in enumerate(model.layers):
        assert all(source < index for source in layer["from"])
        assert bool(layer["from"]) == bool(index)
    signatures = set(model.servable.signatures) - {"__saved_model_init_op"}
    without = {"shared": {"explain"}}  # integers have no gradient
    assert signatures == SIGNATURES - without.get(kind, set())


@pytest.mark.parametrize("kind", ["large", "nested", "recurrent", "subclassed"])
def test_each_weight_is_stored_once(kind):
    """And not in the graph."""
    model = exposed(kind)
    variables = model.folder / "1" / "variables"
    written = tf.train.list_variables(str(variables / "variables"))
    shapes = [tuple(shape) for name, shape in written if "OBJECT_GRAPH" not in name]
    weights = [w for w in model.model.weights if "seed" not in w.name]
    assert sorted(shapes) == sorted(tuple(weight.shape) for weight in weights)
    [data] = variables.glob("*.data-*")
    assert data.stat().st_size < 4 * sum(int(np.prod(w.shape)) for w in weights) + 6000
    graph = (model.folder / "1" / "saved_model.pb").read_bytes()
    for weight in weights:
        values = np.asarray(weight).tobytes()
        assert len(values) < 32 or values not in graph


def test_describe_returns_a_json_document_for_each_number():
    for kind in SMALL:
        model = exposed(kind)
        for count in (0, 1, 8):
            texts = model.ask("describe", anything=np.zeros(count))["descriptions"]
            assert texts.shape == (count,)
            for text in texts:
                assert json.loads(text) == json.loads(json.dumps(model.description))
        assert model.description["schema"] == "layer-xray/2"
        assert model.description["name"] == model.model.name
    assert exposed("sequential").description["scores"]["labels"] == ["zero", "one", "two"]


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray:
    noise = np.random.default_rng(2).integers(0, 256, (height, width, channels)).astype(np.uint8)
    picture = Image.fromarray(noise.squeeze()).filter(ImageFilter.GaussianBlur(2))
    grey = np.asarray(picture, np.float32).reshape(height, width, channels)
    return np.clip((grey - grey.mean()) * 4 + 128, 0, 255).astype(np.uint8)


def test_picture_of_the_models_size_is_not_scaled():
    for kind, low, high in (("functional", 0, 255), ("subclassed", -1, 1), ("linear", 0, 1)):
        model = exposed(kind)
        pictures = model.pictures(2)
        x = model.ask("layer", pictures=pictures, layer=0)["activations"]
        np.testing.assert_allclose(x, low + pictures / 255 * (high - low), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(24, 100), (90, 20), (70, 301), (12, 10), (13, 70), (240, 200)])
def test_other_picture_is_cropped_and_scaled(size):
    """As by Pillow."""
    picture = smooth(*size)
    height, width = size
    side = min(height / 24, width / 20)
    top, left = (height - 24 * side) / 2, (width - 20 * side) / 2
    box = (left, top, left + 20 * side, top + 24 * side)
    truth = Image.fromarray(picture).resize((20, 24), Image.Resampling.BILINEAR, box=box)
    model = exposed("functional")
    [x] = model.ask("layer", pictures=picture[None], layer=0)["activations"]
    # Pillow ignores pixels outside the box, so the outermost pixels may differ.
    inner = np.abs(x - np.asarray(truth, np.float32))[2:-2, 2:-2]
    assert inner.max() < 2
    assert np.abs(x - np.asarray(truth, np.float32)).max() < 30


def test_picture_becomes_grey_for_one_channel():
    picture = smooth(130, 60)
    [x] = exposed("large").ask("layer", pictures=picture[None], layer=0)["activations"]
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float32)
    assert np.abs(x[:, :, 0] - grey).max() <= 1


def test_drawing_is_scaled_and_centred():
    strokes = np.zeros((2, 50, 70, 1), np.uint8)
    strokes[0, 10:30, 40:44] = 255
    strokes[1, 30:33, 5:25] = 200
    forms = np.stack([to_mnist_form(tf.constant(drawing[:, :, 0]), 8) for drawing in strokes])[
        ..., None
    ]
    assert 0 < forms.mean() < 0.5
    for kind, low, high in (("sequential", 0, 1), ("legacy", 1, 0)):
        x = exposed(kind).ask("layer", pictures=strokes, layer=0)["activations"]
        np.testing.assert_allclose(x, low + forms * (high - low), atol=1e-5)
    whole = make_preprocessing((8, 8), tf.uint8, pixels=(0, 255)).prepare(tf.constant(strokes))
    assert whole.dtype == tf.uint8
    np.testing.assert_array_equal(whole, np.round(forms[..., 0] * np.float32(255)))


def test_custom_preprocessing_is_used():
    model = exposed("called once")
    pictures = np.random.default_rng(1).integers(0, 256, (3, 20, 30, 1)).astype(np.uint8)
    x = model.ask("layer", pictures=pictures, layer=0)["activations"]
    np.testing.assert_allclose(x, [prepare_corner(picture) for picture in pictures], rtol=1e-6)
    assert "custom function" in model.description["input"]["preprocessing"]


def files(pictures: np.ndarray, kind: str) -> np.ndarray:
    encoded = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture.squeeze()).save(file, kind, quality=95)
        encoded.append(file.getvalue())
    return np.array(encoded, object)


@pytest.mark.parametrize(("encoding", "atol"), [("PNG", 1e-4), ("JPEG", 0.03)])
def test_files_are_classified(encoding, atol):
    several, single = exposed("functional"), exposed("subclassed")
    pictures = np.stack([smooth(24, 20), 255 - smooth(24, 20), np.zeros((24, 20, 3), np.uint8)])
    answer = several.ask("classify", image_bytes=files(pictures, encoding))
    truth = np.asarray(several.model(pictures.astype(np.float32)))
    np.testing.assert_allclose(answer["probabilities"], truth, atol=atol)
    np.testing.assert_array_equal(answer["classes"], truth.argmax(axis=1))

    pictures = np.stack([smooth(12, 10), np.zeros((12, 10, 3), np.uint8)])
    answer = single.ask("classify", image_bytes=files(pictures, encoding))
    truth = np.asarray(single.model(pictures.astype(np.float32) / 127.5 - 1))
    np.testing.assert_allclose(answer["probabilities"], truth, atol=atol)
    np.testing.assert_array_equal(answer["classes"], truth[:, 0] > 0.5)
    empty = single.ask("classify", image_bytes=np.zeros(0, object))
    assert (empty["classes"].shape, empty["probabilities"].shape) == ((0,), (0, 1))


def test_linear_outputs_become_probabilities():
    model = exposed("sequential")
    sheet = np.full((1, 60, 60), 255, np.uint8)
    sheet[0, 10:50, 25:32] = 0
    answer = model.ask("classify", image_bytes=files(sheet, "PNG"))
    x = model.ask("layer", pictures=255 - sheet[..., None], layer=0)["activations"]
    truth = softmax(np.asarray(model.model(x)), axis=1)
    np.testing.assert_allclose(answer["probabilities"], truth, atol=1e-5)
    preview = model.ask("preview", pictures=255 - sheet[..., None], layers=[])
    np.testing.assert_allclose(preview["probabilities"], truth, atol=1e-5)


def test_contributions_of_a_linear_model_are_its_weighted_pixels():
    """The log odds of two classes are a weighted sum of the pixels."""
    model = exposed("linear")
    pictures = model.pictures(3)
    answer = model.ask("explain", pictures=pictures, classes=[0, 1, -1])
    x = pictures / 255
    kernel = np.asarray(model.model.get_layer("logits").kernel, np.float64)
    slope = (kernel[:, 0] - kernel[:, 1]).reshape(57, 70, 3)
    predicted = np.asarray(model.model(x.astype(np.float32))).argmax(axis=1)
    assert answer["classes"].tolist() == [0, 1, predicted[2]]
    signs = np.array([1, -1, 1 - 2 * predicted[2]])[:, None, None, None]
    pixels = ((x - x.mean((1, 2), keepdims=True)) * slope * signs).sum(axis=3)
    assert answer["contributions"].shape == (3, 29, 35)
    blocks = np.pad(pixels, ((0, 0), (0, 1), (0, 0))).reshape(3, 29, 2, 35, 2).sum((2, 4))
    np.testing.assert_allclose(answer["contributions"], blocks, atol=1e-4)
    np.testing.assert_allclose(answer["fields"], [[0, 0, 1, 1]] * 3, atol=1e-6)
    empty = model.ask("explain", pictures=np.zeros((0, 0, 0, 3)), classes=[])
    assert empty["contributions"].shape == (0, 29, 35)
    assert empty["fields"].shape == (0, 4)


def test_field_of_a_wide_picture_is_its_middle():
    model = exposed("functional")
    answer = model.ask("explain", pictures=smooth(24, 100)[None], classes=[-1])
    np.testing.assert_allclose(answer["fields"], [[0, 0.4, 1, 0.2]], atol=1e-6)
    assert answer["contributions"].shape == (1, 24, 20)


def expose(model: keras.Model, **options: object) -> ExposedModel:
    """Exposes a model in this process, without an export."""
    [image] = model.inputs
    dtype = tf.as_dtype(image.dtype)
    network = Network(model, tf.TensorSpec(image.shape, dtype, "image"))
    return ExposedModel(network, make_preprocessing(image.shape[1:], dtype, **options))


def test_contributions_are_averaged_over_masked_copies():
    """Ink times the gradient of the log odds, averaged over the masks."""
    image = keras.Input((6, 6, 1), name="image")
    model = unsettle(keras.Model(image, layers.Dense(4)(layers.Flatten()(image))))
    x = np.random.default_rng(0).uniform(0, 1, (1, 6, 6, 1)).astype(np.float32)
    contributions = expose(model).explain(tf.constant(x), tf.constant([2], tf.int64))
    kernel, bias = map(np.asarray, model.weights)
    copies = (_masks(6, 6)[..., None] * x).reshape(-1, 36)
    others = [0, 1, 3]
    shares = softmax(copies @ kernel[:, others] + bias[others], axis=1)  # [copies, 3]
    gradients = kernel[:, 2] - shares @ kernel[:, others].T
    truth = x * gradients.mean(axis=0).reshape(6, 6, 1)
    np.testing.assert_allclose(contributions, truth, atol=1e-5)


def test_single_linear_output_is_not_a_probability():
    image = keras.Input((6, 6, 1), name="image")
    model = keras.Model(image, layers.Dense(1, name="age")(layers.Flatten()(image)))
    exposed_model = expose(model)
    assert "classify" not in build_signatures(exposed_model, "{}")
    description = describe("it", exposed_model.network, exposed_model.preprocessing)
    assert description["scores"]["output_activation"] == "linear"


def test_large_activations_limit_the_batch_size():
    image = keras.Input((400, 400, 3), name="image")
    network = expose(keras.Model(image, layers.Conv2D(64, 3, padding="same")(image))).network
    assert network.max_batch_size == 2**28 // (4 * 400 * 400 * (3 + 64))


def blank(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.zeros(shape, dtype)


PICTURES = blank(1, 24, 20, 3)
NUMBERS = blank(1, 24, 20, 3, dtype=np.float32)
REJECTED = {
    "many inputs": ("serving_default", {"image": np.repeat(NUMBERS, 257, 0)}, "image: at most 256"),
    "NaN": ("serving_default", {"image": NUMBERS + np.nan}, "image: every number must be finite"),
    "infinity": ("serving_default", {"image": NUMBERS + np.inf}, "there is a NaN or an infinity"),
    "another size": (
        "serving_default",
        {"image": NUMBERS[:, 1:]},
        r"\[1,23,20,3\].*\[\?,24,20,3\]",
    ),
    "many pictures": ("preview", {"pictures": blank(257, 1, 1, 3), "layers": [0]}, "at most 256"),
    "grey pictures": ("preview", {"pictures": blank(1, 9, 9, 1), "layers": [0]}, r"\[\?,\?,\?,3\]"),
    "flat pictures": (
        "preview",
        {"pictures": blank(1, 0, 9, 3), "layers": [0]},
        "1 to 2,048 pixels",
    ),
    "high pictures": ("layer", {"pictures": blank(1, 2049, 1, 3), "layer": 0}, "1 to 2,048 pixels"),
    "layer 13": (
        "preview",
        {"pictures": PICTURES, "layers": [0, 13]},
        "layers: each must .* 0 to 12",
    ),
    "layer -1": (
        "preview",
        {"pictures": PICTURES, "layers": [-1]},
        "layers: each must be .* 0 to 12",
    ),
    "14 layers": ("preview", {"pictures": PICTURES, "layers": [1] * 14}, "layers: at most 13"),
    "unknown layer": (
        "layer",
        {"pictures": PICTURES, "layer": 13},
        r"layer: .*\[13\] \[13\]",
    ),
    "unknown map": ("parameters", {"layer": 2, "map": 8}, r"map: must be .*\[8\] \[8\]"),
    "map of a layer without parameters": (
        "parameters",
        {"layer": 1, "map": 0},
        r"map: must be .*\[0\] \[0\]",
    ),
    "class 5": ("explain", {"pictures": PICTURES, "classes": [5]}, "0 to 4, or -1"),
    "class -2": ("explain", {"pictures": PICTURES, "classes": [-2]}, "0 to 4, or -1"),
    "two classes": ("explain", {"pictures": PICTURES, "classes": [1, 1]}, "one for each picture"),
    "65 to explain": (
        "explain",
        {"pictures": blank(65, 2, 2, 3), "classes": [0] * 65},
        "pictures: at most 64",
    ),
    "no picture": ("classify", {"image_bytes": [b"hello" * 9]}, "must be a PNG, JPEG, BMP or GIF"),
    "65 files": ("classify", {"image_bytes": [b"hello"] * 65}, "image_bytes: at most 64"),
    "9 descriptions": ("describe", {"anything": [0] * 9}, "anything: at most 8"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_invalid_input_is_rejected_with_a_sentence(name):
    signature, inputs, sentence = REJECTED[name]
    model = exposed("functional")
    if "image_bytes" in inputs:
        inputs = {"image_bytes": np.array(inputs["image_bytes"], object)}
    with pytest.raises(StatusError, match=f"(?s){sentence}") as rejected:
        model.ask(signature, **inputs)
    assert rejected.value.code.name == "INVALID_ARGUMENT"
