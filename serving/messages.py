"""TensorFlow's and TensorFlow Serving's messages, without TensorFlow.

Generated modules need nothing but protobuf. But these stand in the package `tensorflow`, whose
import takes three seconds and 400 MB, so an empty package stands in for it meanwhile. TensorFlow
can be imported before and afterwards, and uses the same modules.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _stand_in() -> Iterator[None]:
    """Spares an import of `tensorflow`, unless it is there already."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or "tensorflow" in sys.modules:
        yield
        return
    sys.modules["tensorflow"] = importlib.util.module_from_spec(spec)  # which runs nothing of it
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


with _stand_in():
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
