"""The protobuf messages of TensorFlow and TensorFlow Serving, without importing TensorFlow.

The generated modules only need protobuf, but they are part of the package `tensorflow`, whose
import takes three seconds and 400 MB. So an empty package replaces it while they are imported.
TensorFlow can be imported before or after this module, and uses the same messages.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _without_tensorflow() -> Iterator[None]:
    """Replaces the package `tensorflow` with an empty one, unless it is already imported."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or "tensorflow" in sys.modules:
        yield
        return
    sys.modules["tensorflow"] = importlib.util.module_from_spec(spec)  # does not execute it
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


with _without_tensorflow():
    from tensorflow.core.framework import types_pb2
    from tensorflow.core.framework.tensor_pb2 import TensorProto
    from tensorflow_serving.apis.get_model_metadata_pb2 import (
        GetModelMetadataRequest,
        SignatureDefMap,
    )
    from tensorflow_serving.apis.get_model_status_pb2 import (
        GetModelStatusRequest,
        ModelVersionStatus,
    )
    from tensorflow_serving.apis.model_pb2 import ModelSpec
    from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
    from tensorflow_serving.apis.predict_pb2 import PredictRequest
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
    from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

__all__ = [
    "GetModelMetadataRequest",
    "GetModelStatusRequest",
    "ModelConfig",
    "ModelServerConfig",
    "ModelServiceStub",
    "ModelSpec",
    "ModelVersionStatus",
    "PredictRequest",
    "PredictionServiceStub",
    "SignatureDefMap",
    "TensorProto",
    "types_pb2",
]
