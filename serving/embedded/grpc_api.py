"""TensorFlow Serving's gRPC API: PredictionService and ModelService.

Sources: tensorflow_serving/apis/prediction_service.proto, model_service.proto.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import grpc
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest, ReloadConfigResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.model_service_pb2_grpc import (
    ModelServiceServicer,
    add_ModelServiceServicer_to_server,
)
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.embedded.example_verbs import (
    CLASSIFY,
    REGRESS,
    refuse_examples,
    refuse_multi_inference,
)
from serving.embedded.models import Models
from serving.embedded.servable import DEFAULT_SIGNATURE
from serving.embedded.status import StatusError, invalid_argument
from serving.tensors import to_array, to_proto

THREADS = 16
MAX_CALLS = 64  # running and waiting; further calls are rejected with RESOURCE_EXHAUSTED
MAX_ERROR_LENGTH = 4000  # characters; errors travel in headers, which gRPC clients limit to 8 kB
MAX_MESSAGE_BYTES = 20 * 2**20  # per request; fits all the pixels that the graph accepts


def make_grpc_server(models: Models, address: str) -> grpc.Server:
    """Returns a server of both services, bound to `HOST:PORT` but not started.

    Raises:
        RuntimeError: the address is in use.
    """
    server = grpc.server(
        ThreadPoolExecutor(THREADS),
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # or a second server could listen on the same port
            (
                "grpc.http2.min_ping_interval_without_data_ms",
                500,
            ),  # or clients' keepalive is rejected
        ],
        maximum_concurrent_rpcs=MAX_CALLS,
    )
    add_PredictionServiceServicer_to_server(_PredictionService(models), server)
    add_ModelServiceServicer_to_server(_ModelService(models), server)
    server.add_insecure_port(address)
    return server


def status_response(models: Models, request: GetModelStatusRequest) -> GetModelStatusResponse:
    """Answers GetModelStatus for gRPC and REST."""
    response = GetModelStatusResponse()
    for version, status in models.status(request.model_spec).items():
        entry = response.model_version_status.add(version=version, state=status.state)
        entry.status.error_code = status.code.value[0]
        entry.status.error_message = status.message
    return response


def find_signatures(models: Models, spec: ModelSpec) -> tuple[ModelSpec, dict[str, SignatureDef]]:
    """Returns the answering version and its signatures: GetModelMetadata for gRPC and REST."""
    version, servable = models.find(spec)
    return _answered_by(spec.name, version), servable.signatures


def _reports_errors(method: Callable) -> Callable:
    """Decorates a service's method so that a StatusError becomes the call's gRPC status."""

    @functools.wraps(method)
    def answer(self, request, context: grpc.ServicerContext):
        try:
            return method(self, request, context)
        except StatusError as error:
            context.abort(error.code, error.message[:MAX_ERROR_LENGTH])

    return answer


class _PredictionService(PredictionServiceServicer):
    def __init__(self, models: Models):
        self._models = models

    @_reports_errors
    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        version, servable = self._models.find(request.model_spec)
        signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        outputs = servable.run(signature_name, _read_inputs(request), request.output_filter)
        response = PredictResponse(
            model_spec=_answered_by(request.model_spec.name, version, signature_name)
        )
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(to_proto(array))
        return response

    @_reports_errors
    def GetModelMetadata(
        self, request: GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> GetModelMetadataResponse:
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid_argument(f"Metadata field {field} is not supported")
        spec, signatures = find_signatures(self._models, request.model_spec)
        response = GetModelMetadataResponse(model_spec=spec)
        response.metadata["signature_def"].Pack(SignatureDefMap(signature_def=signatures))
        return response

    @_reports_errors
    def Classify(self, request: ClassificationRequest, context: grpc.ServicerContext) -> NoReturn:
        refuse_examples(self._models, request.model_spec, CLASSIFY)

    @_reports_errors
    def Regress(self, request: RegressionRequest, context: grpc.ServicerContext) -> NoReturn:
        refuse_examples(self._models, request.model_spec, REGRESS)

    @_reports_errors
    def MultiInference(
        self, request: MultiInferenceRequest, context: grpc.ServicerContext
    ) -> NoReturn:
        refuse_multi_inference(self._models, request)


class _ModelService(ModelServiceServicer):
    def __init__(self, models: Models):
        self._models = models

    @_reports_errors
    def GetModelStatus(
        self, request: GetModelStatusRequest, context: grpc.ServicerContext
    ) -> GetModelStatusResponse:
        return status_response(self._models, request)

    @_reports_errors
    def HandleReloadConfigRequest(
        self, request: ReloadConfigRequest, context: grpc.ServicerContext
    ) -> ReloadConfigResponse:
        if not request.config.HasField("model_config_list"):
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        self._models.configure(request.config)
        return ReloadConfigResponse()


def _read_inputs(request: PredictRequest) -> dict:
    inputs = {}
    for name, proto in request.inputs.items():
        try:
            inputs[name] = to_array(proto)
        except (ValueError, MemoryError) as error:
            raise invalid_argument(f"tensor parsing error: {name}") from error
    return inputs


def _answered_by(name: str, version: int, signature_name: str = "") -> ModelSpec:
    spec = ModelSpec(name=name, signature_name=signature_name)
    spec.version.value = version
    return spec
