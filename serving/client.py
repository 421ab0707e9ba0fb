"""A client of TensorFlow Serving: named numpy arrays in, named numpy arrays out.

Repeating a prediction is safe, so a call is sent again, within its timeout, if its server crashes,
hangs or loses the network. gRPC does this: keepalive detects dead connections, `retryPolicy`
repeats calls, and `retryThrottling` stops repeating when that would only add load.

Sources: gRPC proposals A6 (client retries) and A8 (client-side keepalive).
"""

import json
import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import grpc
import numpy as np

from serving.defaults import MODEL
from serving.messages import (
    GetModelMetadataRequest,
    GetModelStatusRequest,
    ModelServiceStub,
    ModelSpec,
    ModelVersionStatus,
    PredictionServiceStub,
    PredictRequest,
    SignatureDefMap,
    types_pb2,
)
from serving.tensors import to_array, to_proto

MAX_CONCURRENT = 12  # calls of a client; a server has 16 threads (production/serve.sh)
ATTEMPTS = 3  # per call; with several servers, each may take a third of the timeout
# Both together: a connection is closed 2 s after the last byte received.
KEEPALIVE_MS = 1000
KEEPALIVE_TIMEOUT_MS = 1000
REPEATABLE_BYTES = 2**26  # per request; larger ones are not repeated (gRPC's default is 256 KiB)
_TOO_LARGE = "message larger than max"  # gRPC uses the status code of a busy server for it
_QUEUE_IS_FULL = "batch scheduling queue"  # from TensorFlow's shared_batch_scheduler.h


class ServingError(Exception):
    """A failed call; the message says what happened and what to do."""


class ServerUnreachable(ServingError):
    """No server answers at the address, or it does not answer in time."""


class ServerBusy(ServingError):
    """The server is overloaded; the same request may succeed later."""


class ModelNotLoaded(ServingError):
    """The server answers, but has not loaded the model or the version."""


class RequestRefused(ServingError):
    """The server or the model rejected the request; the same request will fail again."""


class WrongAnswer(ServingError):
    """The server's answer is inconsistent."""


class TensorInfo(NamedTuple):
    """Type and shape of one input or output of a signature."""

    dtype: str  # TensorFlow's short name, e.g. `float`, `uint8`, `string`
    shape: tuple[int | None, ...] | None  # None: any rank; None in it: any size


class Signature(NamedTuple):
    """The inputs and outputs of a signature, by name."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


class Prediction(dict[str, np.ndarray]):
    """Outputs by name, and the version of the model that computed them."""

    version: int


class _Stub(PredictionServiceStub, ModelServiceStub):
    """The methods of both services on one channel."""

    def __init__(self, channel: grpc.Channel):
        self.channel = channel
        PredictionServiceStub.__init__(self, channel)
        ModelServiceStub.__init__(self, channel)


class Client:
    """Calls one model on a TensorFlow Serving, or on several that share the load.

    Thread-safe: `MAX_CONCURRENT` calls run at once, further calls wait. As a context manager, it
    closes its channels on exit.

    Args:
        target: `HOST:PORT` or any other gRPC target. `dns:///NAME:PORT` spreads the calls over all
            addresses of the name, `ipv4:A:PORT,B:PORT` over the listed ones.
        model: the model's name on the server.
        timeout: seconds per call. With several servers, a call moves on to another one after a
            third of it.
        tls: whether to use TLS.
        ca: trusted certificates in PEM format; the system's if None.
    """

    def __init__(
        self,
        target: str,
        model: str = MODEL,
        timeout: float = 10.0,
        *,
        tls: bool = False,
        ca: bytes | None = None,
    ):
        self.target, self.model, self.timeout, self.tls = target, model, timeout, tls
        self._credentials = grpc.ssl_channel_credentials(ca) if tls else None
        self._has_several_servers = target.startswith("dns:") or "," in target
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT)
        self._opening = threading.Lock()
        self._stubs: dict[int, _Stub] = {}  # by multiple of `timeout`, opened when first used

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        *,
        outputs: Sequence[str] = (),
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Prediction:
        """Runs a signature of the model.

        Args:
            signature: name of the signature, e.g. `serving_default` (see `signatures`).
            inputs: the signature's inputs by name; bytes need an array of dtype object.
            outputs: names of the outputs to return; all if empty.
            version: version of the model; the newest loaded one if `label` is None too.
            label: version label, used if `version` is None.
            timeout: seconds for this call; the client's if None.

        Returns:
            The outputs by name, with the version that computed them.

        Raises:
            ServerUnreachable, ServerBusy, ModelNotLoaded, RequestRefused: the call failed.
            WrongAnswer: the server's answer holds an invalid tensor.
        """
        request = PredictRequest(
            model_spec=self._spec(version, label, signature), output_filter=outputs
        )
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(to_proto(np.asarray(array)))
        response = self._call("Predict", request, timeout)
        try:
            prediction = Prediction({n: to_array(proto) for n, proto in response.outputs.items()})
        except ValueError as error:
            raise WrongAnswer(
                f"The model server at {self.target} answered with no tensor: {error}. Check that "
                f"it is a TensorFlow Serving and that {self.model} is the right model."
            ) from error
        prediction.version = response.model_spec.version.value
        return prediction

    def versions(self, timeout: float | None = None) -> list[int]:
        """Returns the loaded versions in ascending order.

        Args:
            timeout: seconds for this call; the client's if None.

        Raises:
            ServerUnreachable, ServerBusy, ModelNotLoaded: the call failed.
        """
        request = GetModelStatusRequest(model_spec=self._spec())
        statuses = self._call("GetModelStatus", request, timeout).model_version_status
        return sorted(s.version for s in statuses if s.state == ModelVersionStatus.AVAILABLE)

    def signatures(self, version: int | None = None) -> dict[str, Signature]:
        """Returns the signatures of a version by name.

        Args:
            version: version of the model; the newest loaded one if None.

        Raises:
            ServerUnreachable, ServerBusy, ModelNotLoaded, RequestRefused: the call failed.
            WrongAnswer: the answer has no signatures.
        """
        request = GetModelMetadataRequest(
            model_spec=self._spec(version), metadata_field=["signature_def"]
        )
        response = self._call("GetModelMetadata", request)
        definitions = SignatureDefMap()
        if not response.metadata["signature_def"].Unpack(definitions):
            raise WrongAnswer(f"The model server at {self.target} reports no signatures.")
        return {
            name: Signature(_read_infos(signature.inputs), _read_infos(signature.outputs))
            for name, signature in sorted(definitions.signature_def.items())
            if signature.method_name  # the graph's initialiser has none
        }

    def wait_until_ready(self, seconds: float) -> list[int]:
        """Waits until the server has loaded at least one version.

        Args:
            seconds: longest time to wait.

        Returns:
            The loaded versions in ascending order.

        Raises:
            ServerUnreachable, ServerBusy, ModelNotLoaded: the last failure when the time is over.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                if versions := self.versions(timeout=1):
                    return versions
                error = ModelNotLoaded(
                    f"The model server at {self.target} has not loaded a version of {self.model}."
                )
            except (ServerUnreachable, ServerBusy, ModelNotLoaded) as caught:
                error = caught
            if time.monotonic() > end:
                raise error
            time.sleep(0.1)

    def close(self) -> None:
        """Closes the channels; running calls fail."""
        with self._opening:
            for stub in self._stubs.values():
                stub.channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spec(
        self, version: int | None = None, label: str | None = None, signature: str = ""
    ) -> ModelSpec:
        spec = ModelSpec(name=self.model, signature_name=signature)
        if version is not None:
            spec.version.value = version
        elif label is not None:
            spec.version_label = label
        return spec

    def _call(self, method: str, request, timeout: float | None = None):
        timeout = timeout or self.timeout
        end = time.monotonic() + timeout
        if not self._slots.acquire(timeout=timeout):
            raise ServerBusy(
                f"{MAX_CONCURRENT} calls to the model server at {self.target} are running, and "
                f"none has ended for {timeout:g} s; try again later."
            )
        try:
            call = getattr(self._stub(timeout), method)
            return call(request, timeout=end - time.monotonic())
        except grpc.RpcError as error:
            raise self._explain(error) from error
        finally:
            self._slots.release()

    def _stub(self, timeout: float) -> _Stub:
        """Returns the stub of a channel whose attempts last long enough for the timeout.

        gRPC sets the time per attempt for a whole channel. So with several servers, calls with
        more than the usual timeout get other channels, one per power of two.
        """
        multiple = 1
        if self._has_several_servers and timeout > self.timeout:
            multiple = 2 ** math.ceil(math.log2(timeout / self.timeout))
        with self._opening:
            if multiple not in self._stubs:
                self._stubs[multiple] = _Stub(self._open_channel(multiple * self.timeout))
            return self._stubs[multiple]

    def _open_channel(self, timeout: float) -> grpc.Channel:
        options = _channel_options(timeout / ATTEMPTS if self._has_several_servers else None)
        if self._credentials:
            return grpc.secure_channel(self.target, self._credentials, options)
        return grpc.insecure_channel(self.target, options)

    def _explain(self, error: grpc.RpcError) -> ServingError:
        code, details = error.code(), error.details() or ""
        is_exhausted = code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE not in details
        if is_exhausted or _QUEUE_IS_FULL in details:
            return ServerBusy(
                f"The model server at {self.target} is busy; try again in a moment. ({details})"
            )
        if code is grpc.StatusCode.UNAVAILABLE:
            return ServerUnreachable(
                f"No model server answers at {self.target}. Start one with `python -m serving`, "
                f"or check the address. ({details})"
            )
        # CANCELLED: the last attempt ran out of time.
        if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
            return ServerUnreachable(
                f"The model server at {self.target} did not answer in time. It may be overloaded "
                "or still starting; try again, or use a longer timeout."
            )
        if code is grpc.StatusCode.NOT_FOUND:
            return ModelNotLoaded(
                f"The model server at {self.target} does not have it: {details}. "
                f"Check what it serves: GET /v1/models/{self.model} of its REST API."
            )
        return RequestRefused(
            f"The model server at {self.target} refused the request ({code.name}): {details}"
        )


def _read_infos(infos: Mapping) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(
            types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower(),
            None
            if info.tensor_shape.unknown_rank
            else tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim),
        )
        for name, info in sorted(infos.items())
    }


def _channel_options(seconds_per_attempt: float | None) -> list[tuple[str, int | str]]:
    retry_policy = {
        "maxAttempts": ATTEMPTS,
        "initialBackoff": "0.02s",
        "maxBackoff": "0.2s",
        "backoffMultiplier": 3,
        # A server that is shutting down answers CANCELLED.
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
    }
    if seconds_per_attempt:
        retry_policy["perAttemptRecvTimeout"] = f"{seconds_per_attempt:.3f}s"
    service_config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": [{}], "retryPolicy": retry_policy}],
        # A failed attempt takes a token, an answer returns one; below half of the tokens nothing is
        # repeated. So calls are repeated if one of two servers is silent, but not if all are.
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 1},
    }
    return [
        ("grpc.max_receive_message_length", -1),  # the default, 4 MiB, is a batch of 22
        ("grpc.max_send_message_length", -1),
        ("grpc.service_config", json.dumps(service_config)),
        ("grpc.experimental.enable_hedging", 1),  # or perAttemptRecvTimeout is ignored
        ("grpc.per_rpc_retry_buffer_size", REPEATABLE_BYTES),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),  # for pings that measure bandwidth
        ("grpc.initial_reconnect_backoff_ms", 100),  # finds a restarted server soon
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.enable_http_proxy", 0),  # model servers are reached directly
    ]
