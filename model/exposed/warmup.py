"""Warm-up requests of an exposed model, one for each signature.

Source: TensorFlow Serving, "SavedModel Warmup".
"""

import numpy as np
import tensorflow as tf

from model.exposed.network import Network
from model.exposed.preprocessing import Preprocessing


def make_requests(
    network: Network, preprocessing: Preprocessing, explain: str = "explain"
) -> dict[str, dict[str, object]]:
    """Returns a request, with a grey bar on black, for each signature a model may have.

    Args:
        network, preprocessing: the model's.
        explain: name of the signature that explains.
    """
    height, width = preprocessing.shape[:2]
    picture = np.zeros((1, height, width, preprocessing.channels), np.uint8)
    picture[:, height // 6 : -height // 6, width // 3 : -width // 3] = 128
    zero = np.array(0, np.int32)
    parametric = next((i for i, layer in enumerate(network.layers) if layer.kind.parameters), 0)
    return {
        "serving_default": {
            network.inputs.name: np.zeros((1, *preprocessing.shape), network.inputs.dtype.name)
        },
        "preview": {"pictures": picture, "layers": np.arange(2, dtype=np.int32)},
        "layer": {"pictures": picture, "layer": zero},
        "parameters": {"layer": np.array(parametric, np.int32), "map": zero},
        "classify": {"image_bytes": [tf.io.encode_png(picture[0]).numpy()]},
        explain: {"pictures": picture, "classes": np.array([-1])},
        "describe": {"anything": zero[None]},
    }
