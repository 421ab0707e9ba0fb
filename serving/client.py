"""The client: named numpy arrays to a TensorFlow Serving and named numpy arrays back.

A prediction is safe to repeat, so a call whose server goes away, hangs or falls silent is sent to
another one within its deadline. gRPC does it: keepalive finds dead connections, `retryPolicy`
repeats calls, `retryThrottling` ends that where repeating would only add to the load.

Source: gRPC proposals A6 (client retries) and A8 (client-side keepalive).
"""

import json
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

MAX_CONCURRENT = 12  # calls; a server has 16 threads for all its callers (production/serve.sh)
ATTEMPTS = 3  # of a call, each of which gets its share of the time
# Together: a connection that has died is given up 2 s after its last sign of life.
KEEPALIVE_MS = 1000
KEEPALIVE_TIMEOUT_MS = 1000
REPEATABLE_BYTES = 2**26  # of a request; gRPC's default would repeat small ones only
_TOO_LARGE = "message larger than max"  # gRPC's words, in the same code as a lack of threads
_QUEUE_IS_FULL = "batch scheduling queue"  # TensorFlow's shared_batch_scheduler.h


class ServingError(Exception):
    """A call that failed; the message says what happened and what to do."""


class ServerUnreachable(ServingError):
    """Nobody answered at the address, or not in time."""


class ServerBusy(ServingError):
    """The server has more to do than it can; the same request later may well be answered."""


class ModelNotLoaded(ServingError):
    """The server is there, but does not have the model or the version."""


class RequestRefused(ServingError):
    """The server or the model found the request wrong; the same request will fail again."""


class WrongAnswer(ServingError):
    """The server answered with what does not fit together."""


class TensorInfo(NamedTuple):
    """What a signature takes or answers under a name."""

    dtype: str  # TensorFlow's short name: `float`, `uint8`, `string`, …
    shape: tuple[int | None, ...] | None  # None for any; of any rank if None


class Signature(NamedTuple):
    """One of a model's signatures."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


class Prediction(dict[str, np.ndarray]):
    """Outputs by name, and the version of the model that they are of."""

    version: int


class Client:
    """One model on one TensorFlow Serving, or on several that share the load.

    Holds one channel for its life. May be used from many threads: `MAX_CONCURRENT` calls are under
    way, others wait for their turn. As a context manager it closes the channel at the end.

    Args:
        target: `HOST:PORT`, or any target that gRPC knows: `dns:///NAME:PORT` spreads requests
            over all addresses of the name, `ipv4:A:PORT,B:PORT` over those.
        model: the name that the server has for it.
        timeout: seconds that a call may take. Of several servers one that is silent for a third of
            them is left for another.
        tls: whether the server speaks TLS.
        ca: certificates in PEM to trust; the system's if there are none.
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
        self._places = threading.BoundedSemaphore(MAX_CONCURRENT)
        options = _channel_options(target, timeout)
        if tls:
            credentials = grpc.ssl_channel_credentials(ca)
            self._channel = grpc.secure_channel(target, credentials, options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        stub = PredictionServiceStub(self._channel)
        self._predict, self._metadata = stub.Predict, stub.GetModelMetadata
        self._status = ModelServiceStub(self._channel).GetModelStatus

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
        """Runs one signature of the model.

        Args:
            signature: `serving_default`, or another one of the model's (`signatures`).
            inputs: the signature's inputs by name; bytes go in an array of dtype object.
            outputs: names of the outputs that are wanted; all if empty.
            version: of the model; the newest that is loaded if neither it nor `label` is given.
            label: of a version, in its place.
            timeout: seconds that it may take, if not the client's.

        Returns:
            The outputs by name, with the version that answered.

        Raises:
            ServerUnreachable, ServerBusy, ModelNotLoaded, RequestRefused, WrongAnswer: see there.
        """
        request = PredictRequest(
            model_spec=self._spec(version, label, signature), output_filter=outputs
        )
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(to_proto(np.asarray(array)))
        response = self._call(self._predict, request, timeout or self.timeout)
        try:
            prediction = Prediction({n: to_array(proto) for n, proto in response.outputs.items()})
        except ValueError as error:
            raise WrongAnswer(
                f"The model server at {self.target} answered with no tensor: {error}. Is it "
                "TensorFlow Serving, and the model this one?"
            ) from error
        prediction.version = response.model_spec.version.value
        return prediction

    def versions(self, timeout: float | None = None) -> list[int]:
        """The versions that the server answers with now, lowest first.

        Raises:
            ServerUnreachable, ServerBusy, ModelNotLoaded: see there.
        """
        request = GetModelStatusRequest(model_spec=self._spec())
        statuses = self._call(self._status, request, timeout or self.timeout).model_version_status
        return sorted(s.version for s in statuses if s.state == ModelVersionStatus.AVAILABLE)

    def signatures(self, version: int | None = None) -> dict[str, Signature]:
        """The signatures that a version has, the newest if None, by name.

        Raises:
            ServerUnreachable, ServerBusy, ModelNotLoaded, WrongAnswer: see there.
        """
        request = GetModelMetadataRequest(
            model_spec=self._spec(version), metadata_field=["signature_def"]
        )
        response = self._call(self._metadata, request, self.timeout)
        told = SignatureDefMap()
        if not response.metadata["signature_def"].Unpack(told):
            raise WrongAnswer(f"The model server at {self.target} tells no signatures.")
        return {
            name: Signature(_read_infos(one.inputs), _read_infos(one.outputs))
            for name, one in sorted(told.signature_def.items())
            if one.method_name  # and not how the graph initialises itself
        }

    def wait_until_ready(self, seconds: float) -> list[int]:
        """Waits until the server has at least one version loaded and returns the versions.

        Raises:
            ServerUnreachable, ServerBusy, ModelNotLoaded: it has not come to that within `seconds`.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                if versions := self.versions(timeout=1):
                    return versions
                error = ModelNotLoaded(f"{self.target} has no version of {self.model} loaded yet.")
            except (ServerUnreachable, ServerBusy, ModelNotLoaded) as caught:
                error = caught
            if time.monotonic() > end:
                raise error
            time.sleep(0.1)

    def close(self) -> None:
        """Closes the channel; calls under way fail."""
        self._channel.close()

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

    def _call(self, method: grpc.UnaryUnaryMultiCallable, request, timeout: float):
        end = time.monotonic() + timeout
        if not self._places.acquire(timeout=timeout):
            raise ServerBusy(
                f"{MAX_CONCURRENT} calls to the model server at {self.target} are under way, and "
                f"none has ended for {timeout:g} s; try again later."
            )
        try:
            return method(request, timeout=end - time.monotonic())
        except grpc.RpcError as error:
            raise self._explain(error) from error
        finally:
            self._places.release()

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
        # CANCELLED: the last attempt's time was over.
        if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
            return ServerUnreachable(
                f"The model server at {self.target} did not answer in time. It may be overloaded "
                "or still starting; try again, or allow more time."
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


def _channel_options(target: str, timeout: float) -> list[tuple[str, int | str]]:
    retry_policy = {
        "maxAttempts": ATTEMPTS,
        "initialBackoff": "0.02s",
        "maxBackoff": "0.2s",
        "backoffMultiplier": 3,
        # CANCELLED is what a server answers that has been told to stop.
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
    }
    if target.startswith("dns:") or "," in target:  # a lone server gets all the time there is
        retry_policy["perAttemptRecvTimeout"] = f"{timeout / ATTEMPTS:.3f}s"
    service_config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": [{}], "retryPolicy": retry_policy}],
        # An attempt that fails costs a token and an answer brings one back; under half of them
        # nothing is repeated. So one server of two may be silent, but all may not.
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 1},
    }
    return [
        ("grpc.max_receive_message_length", -1),  # the default of 4 MiB is a batch of 22
        ("grpc.max_send_message_length", -1),
        ("grpc.service_config", json.dumps(service_config)),
        ("grpc.experimental.enable_hedging", 1),  # without it perAttemptRecvTimeout is not read
        ("grpc.per_rpc_retry_buffer_size", REPEATABLE_BYTES),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),  # of pings that measure the line
        ("grpc.initial_reconnect_backoff_ms", 100),  # a server that is back is found again at once
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.enable_http_proxy", 0),  # a model server is never behind a web proxy
    ]
