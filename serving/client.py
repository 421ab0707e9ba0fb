"""The client: named numpy arrays to a TensorFlow Serving and named numpy arrays back."""

import time
from collections.abc import Mapping, Sequence

import grpc
import numpy as np
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from serving.ports import MODEL
from serving.tensors import to_array, to_proto

_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # the default of 4 MiB is a batch of 22
    ("grpc.max_send_message_length", -1),
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.initial_reconnect_backoff_ms", 100),  # a server that is back is found again at once
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),  # a model server is never behind a web proxy
)


class ServingError(Exception):
    """A call that failed; the message says what happened and what to do."""


class ServerUnreachable(ServingError):
    """Nobody answered at the address, or not in time."""


class ModelNotLoaded(ServingError):
    """The server is there, but does not have the model or the version."""


class RequestRefused(ServingError):
    """The server or the model found the request wrong; the same request will fail again."""


class Prediction(dict[str, np.ndarray]):
    """Outputs by name, and the version of the model that they are of."""

    version: int


class Client:
    """One model on one TensorFlow Serving, or on several that share the load.

    Holds one channel for its life; may be used from many threads. As a context manager it closes
    the channel at the end.

    Args:
        target: `HOST:PORT`, or any target that gRPC knows: `dns:///NAME:PORT` spreads requests
            over all addresses of the name, `ipv4:A:PORT,B:PORT` over those.
        model: the name that the server has for it.
        timeout: seconds that a call may take, unless the call says otherwise.
        tls: whether the server speaks TLS.
        ca: certificates in PEM to trust; the system's if there are none.
    """

    def __init__(
        self,
        target: str,
        model: str = MODEL,
        timeout: float = 5.0,
        *,
        tls: bool = False,
        ca: bytes | None = None,
    ):
        self.target, self.model, self.timeout, self.tls = target, model, timeout, tls
        if tls:
            credentials = grpc.ssl_channel_credentials(ca)
            self._channel = grpc.secure_channel(target, credentials, _CHANNEL_OPTIONS)
        else:
            self._channel = grpc.insecure_channel(target, _CHANNEL_OPTIONS)
        self._predict = PredictionServiceStub(self._channel).Predict
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
            signature: `serving_default`, `sketch`, `classify`, `explain` or `weights`.
            inputs: the signature's inputs by name; bytes go in an array of dtype object.
            outputs: names of the outputs that are wanted; all if empty.
            version: of the model; the newest that is loaded if neither it nor `label` is given.
            label: of a version, in its place.
            timeout: seconds.

        Returns:
            The outputs by name, with the version that answered.

        Raises:
            ServerUnreachable, ModelNotLoaded, RequestRefused: see there.
        """
        request = PredictRequest(
            model_spec=self._spec(version, label, signature), output_filter=outputs
        )
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(to_proto(np.asarray(array)))
        response = self._call(self._predict, request, timeout)
        prediction = Prediction({n: to_array(proto) for n, proto in response.outputs.items()})
        prediction.version = response.model_spec.version.value
        return prediction

    def versions(self, timeout: float | None = None) -> list[int]:
        """The versions that the server answers with now, lowest first.

        Raises:
            ServerUnreachable, ModelNotLoaded: see there.
        """
        request = GetModelStatusRequest(model_spec=self._spec())
        statuses = self._call(self._status, request, timeout).model_version_status
        return sorted(s.version for s in statuses if s.state == ModelVersionStatus.AVAILABLE)

    def wait_until_ready(self, seconds: float) -> list[int]:
        """Waits until the server has at least one version loaded and returns the versions.

        Raises:
            ServerUnreachable, ModelNotLoaded: it has not come to that within `seconds`.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                if versions := self.versions(timeout=1):
                    return versions
                error = ModelNotLoaded(f"{self.target} has no version of {self.model} loaded yet.")
            except (ServerUnreachable, ModelNotLoaded) as caught:
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

    def _call(self, method: grpc.UnaryUnaryMultiCallable, request, timeout: float | None):
        try:
            return method(request, timeout=self.timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            raise self._explain(error) from error

    def _explain(self, error: grpc.RpcError) -> ServingError:
        code, details = error.code(), error.details()
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return ServerUnreachable(
                f"No model server answers at {self.target}. Start one with `python -m serving`, "
                f"or check the address. ({details})"
            )
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
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
