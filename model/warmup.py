"""Warm-up requests: what TensorFlow Serving asks itself after loading, so that nobody waits first.

Source: TensorFlow Serving, "SavedModel Warmup".
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from model.network import SIDE

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def own_requests() -> dict[str, dict[str, object]]:
    """One for each signature of the contract, all of a digit-like bar."""
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
    """Adds one request for each signature to a SavedModel.

    Args:
        saved_model: its folder.
        model: the name that it is served under.
        requests: by signature, its inputs by name.
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
