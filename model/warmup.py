"""Warm-up requests, which TensorFlow Serving runs after loading, before callers can send theirs.

Source: TensorFlow Serving, "SavedModel Warmup".
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from model.network import SIDE

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def mnist_requests() -> dict[str, dict[str, object]]:
    """Returns a request, with a vertical bar, for each of MNIST's own signatures."""
    bar = np.zeros((1, SIDE, SIDE), np.uint8)
    bar[:, 4:24, 12:16] = 255
    png = tf.io.encode_png(bar[0, :, :, None]).numpy()
    return {
        "serving_default": {"images": bar.astype(np.float32) / 255},
        "sketch": {"drawings": bar},
        "classify": {"image_bytes": [png]},
        "explain": {"drawings": bar, "digits": np.array([1])},
        "weights": {"units": np.array([0], np.int32)},
    }


def write_requests(
    saved_model: Path, model: str, requests: Mapping[str, Mapping[str, object]]
) -> None:
    """Adds warm-up requests to a SavedModel.

    Args:
        saved_model: its folder.
        model: the name under which it is served.
        requests: one for each signature name, as inputs by name.
    """
    path = saved_model / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())
