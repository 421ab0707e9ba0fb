"""Classify, Regress and MultiInference: TensorFlow Serving's methods for `tf.Example` signatures.

The project exports no signature of this kind, so these requests fail. The error describes what is
wrong with the signature, as in TensorFlow Serving.

Sources: TensorFlow Serving's classifier.cc, regressor.cc and multi_inference.cc.
"""

from typing import NoReturn

import grpc
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec

from serving.embedded.models import Models
from serving.embedded.servable import DEFAULT_SIGNATURE
from serving.embedded.status import StatusError, invalid_argument

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
_MAX_OUTPUTS = {CLASSIFY: 2, REGRESS: 1}


def refuse_examples(models: Models, spec: ModelSpec, method: str) -> NoReturn:
    """Rejects a Classify or Regress request.

    Raises:
        StatusError: always.
    """
    _, servable = models.find(spec)
    name = spec.signature_name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise invalid_argument(f"No signature was found with the name: {name}")
    _refuse_signature(servable.signatures[name], method)


def refuse_multi_inference(models: Models, request: MultiInferenceRequest) -> NoReturn:
    """Rejects a MultiInference request.

    Raises:
        StatusError: always.
    """
    spec = request.tasks[0].model_spec if request.tasks else ModelSpec()
    _, servable = models.find(spec)
    name = spec.signature_name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise invalid_argument(f"Requested signature not found in model graph: {name}")
    method = request.tasks[0].method_name
    if method not in _MAX_OUTPUTS:
        raise StatusError(
            grpc.StatusCode.UNIMPLEMENTED, f"Unsupported signature method_name: {method}"
        )
    _refuse_signature(servable.signatures[name], method)


def _refuse_signature(signature: SignatureDef, method: str) -> NoReturn:
    outputs = len(signature.outputs)
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if not 1 <= outputs <= _MAX_OUTPUTS[method]:
        raise invalid_argument(
            f"Expected one or two output Tensors, found {outputs}"
            if method == CLASSIFY
            else "Expected one output Tensor."
        )
    if "inputs" not in signature.inputs:
        kind = "classification" if method == CLASSIFY else "regression"
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"No {kind} inputs found in SignatureDef: {signature}",
        )
    raise StatusError(
        grpc.StatusCode.UNIMPLEMENTED,
        "The embedded server does not support tf.Example; use tensorflow_model_server.",
    )
