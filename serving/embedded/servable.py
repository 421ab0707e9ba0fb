"""One version of a model in memory, run in a session as in TensorFlow Serving.

A session computes only what the requested outputs need and raises TensorFlow's own errors.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.config_pb2 import CallableOptions
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.embedded.status import StatusError, invalid_argument
from serving.tensors import enum_of, to_array

DEFAULT_SIGNATURE = "serving_default"
_WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
# Per tensor. With more, an array of strings crashes the process: TensorFlow's session reads it with
# numpy's old iterators (ndarray_tensor.cc), which are limited to 32.
MAX_DIMENSIONS = 32
MAX_CALLABLES = 32  # cached per version, one for each set of inputs and outputs
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Servable:
    """A loaded SavedModel; unloaded when the last reference to it is gone.

    Args:
        path: folder of the SavedModel.
        is_warmed: whether to run its warm-up requests. Without them, the first request for each
            signature takes some tenths of a second longer.

    Raises:
        Exception: any exception that TensorFlow raises for a damaged SavedModel.
    """

    def __init__(self, path: Path, *, is_warmed: bool = True):
        # One thread per request: requests run in parallel, and none waits for a second core.
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=1, inter_op_parallelism_threads=1
        )
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], str(path))
        self.signatures: dict[str, SignatureDef] = dict(meta_graph.signature_def)
        # Not a method: a cached reference to `self` would keep the version in memory.
        make_callable = functools.partial(_make_callable, self._session)
        self._callable = functools.lru_cache(MAX_CALLABLES)(make_callable)
        if is_warmed:
            self._warm_up(path / _WARMUP_FILE)

    def find_signature(self, name: str) -> SignatureDef:
        """Returns a signature by name; an empty name means the default one.

        Raises:
            StatusError: FAILED_PRECONDITION for an unknown name, as in TensorFlow Serving.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        return self.signatures[name]

    def run(
        self, signature_name: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature_name: name of the signature; empty for the default one.
            inputs: arrays by name, with the signature's dtypes.
            outputs: names of the outputs to compute; all if empty.

        Returns:
            The outputs by name.

        Raises:
            StatusError: names or dtypes do not match the signature, or the graph rejects the input.
        """
        signature = self.find_signature(signature_name)
        _check_inputs(signature, inputs)
        _check_outputs(signature, outputs)
        # Sorted, so that requests in any order share a callable.
        outputs = sorted(outputs or signature.outputs)
        inputs = dict(sorted(inputs.items()))
        feeds = tuple(signature.inputs[name].name for name in inputs)
        fetches = tuple(signature.outputs[name].name for name in outputs)
        try:
            arrays = self._callable(feeds, fetches)(*inputs.values())
        except tf.errors.OpError as error:
            raise StatusError(_CODES[error.error_code], error.message) from error
        return dict(zip(outputs, arrays, strict=True))

    def _warm_up(self, requests: Path) -> None:
        if not requests.exists():
            return
        for record in tf.data.TFRecordDataset(str(requests)).as_numpy_iterator():
            request = PredictionLog.FromString(record).predict_log.request
            inputs = {name: to_array(proto) for name, proto in request.inputs.items()}
            self.run(request.model_spec.signature_name, inputs)


def _make_callable(session: tf.compat.v1.Session, feeds: tuple[str, ...], fetches: tuple[str, ...]):
    options = CallableOptions(feed=feeds, fetch=fetches)
    options.run_options.inter_op_thread_pool = -1  # runs in the caller's thread
    # The public make_callable and run check shapes in Python first; here the graph's own guards
    # report errors, as in TensorFlow Serving.
    return session._make_callable_from_options(options)


def _check_inputs(signature: SignatureDef, inputs: Mapping[str, np.ndarray]) -> None:
    sent, expected = set(inputs), set(signature.inputs)
    if len(sent) != len(expected):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(expected)} "
            f"len({_names(sent)}) != len({_names(expected)}). "
            f"Sent extra: {_names(sent - expected)}. "
            f"Missing but required: {_names(expected - sent)}."
        )
    for index, (name, array) in enumerate(inputs.items()):
        if name not in expected:
            raise invalid_argument(
                f"input tensor alias not found in signature: {name}. "
                f"Inputs expected to be in the set {_names(expected)}."
            )
        expected_type, sent_type = signature.inputs[name].dtype, enum_of(array)
        if expected_type != sent_type:
            raise invalid_argument(
                f"Expects arg[{index}] to be {type_name(expected_type)} "
                f"but {type_name(sent_type)} is provided"
            )
        if array.ndim > MAX_DIMENSIONS:
            raise invalid_argument(
                f"{name}: a tensor may have at most {MAX_DIMENSIONS} dimensions, "
                f"but got {array.ndim}"
            )


def _check_outputs(signature: SignatureDef, outputs: Sequence[str]) -> None:
    for index, name in enumerate(outputs):
        if name not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {_names(signature.outputs)}."
            )
        if name in outputs[:index]:
            raise invalid_argument(f"duplicate output tensor alias: {name}")


def _names(names) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def type_name(enum: int) -> str:
    """Returns TensorFlow's short name of a `DataType`, e.g. `float` or `uint8`."""
    return types_pb2.DataType.Name(enum).removeprefix("DT_").lower()
