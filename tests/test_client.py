"""The client: answers, errors, timeouts and several servers."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
import trustme
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from serving.client import (
    Client,
    ModelNotLoaded,
    RequestRefused,
    ServerUnreachable,
    TensorInfo,
    WrongAnswer,
)
from serving.local import find_free_port
from tests.line import Line

BLANK = np.zeros((1, 28, 28), np.float32)


class OtherServer:
    """A fake model server.

    Args:
        answer: answers Predict.
        credentials: of the server; None disables TLS.
        threads: calls answered at once.
        tell: answers GetModelMetadata; None leaves it unimplemented.
    """

    def __init__(
        self,
        answer,
        credentials: grpc.ServerCredentials | None = None,
        threads: int = 4,
        tell=None,
    ):
        methods = {
            "Predict": grpc.unary_unary_rpc_method_handler(
                answer, PredictRequest.FromString, PredictResponse.SerializeToString
            )
        }
        if tell:
            methods["GetModelMetadata"] = grpc.unary_unary_rpc_method_handler(
                tell,
                GetModelMetadataRequest.FromString,
                GetModelMetadataResponse.SerializeToString,
            )
        self._server = grpc.server(ThreadPoolExecutor(threads))
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", methods)]
        )
        port = (
            self._server.add_secure_port("127.0.0.1:0", credentials)
            if credentials
            else self._server.add_insecure_port("127.0.0.1:0")
        )
        self.target = f"127.0.0.1:{port}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(0).wait()


def float_val_answer(request, context):
    response = PredictResponse()
    proto = response.outputs["logits"]
    proto.dtype = 1
    for size in (1, 3):
        proto.tensor_shape.dim.add().size = size
    proto.float_val.extend([1.5, -2.0, 0.25])
    return response


def test_predict_returns_only_the_requested_outputs(client):
    answer = client.predict("serving_default", {"images": BLANK}, outputs=["h_pool2", "logits"])
    assert {name: array.shape for name, array in answer.items()} == {
        "h_pool2": (1, 7, 7, 64),
        "logits": (1, 10),
    }


def test_predict_uses_the_requested_or_the_newest_version(client, final_version):
    versions = client.versions()
    assert versions[-1] == final_version
    newest = client.predict("serving_default", {"images": BLANK}, outputs=["logits"])
    first, last = (
        client.predict("serving_default", {"images": BLANK}, outputs=["logits"], version=v)
        for v in (versions[0], versions[-1])
    )
    np.testing.assert_array_equal(newest["logits"], last["logits"])
    assert not np.array_equal(first["logits"], last["logits"])


def test_answer_may_exceed_the_default_limit_of_grpc(client):
    answer = client.predict("serving_default", {"images": np.repeat(BLANK, 64, axis=0)})
    assert sum(array.nbytes for array in answer.values()) > 4 * 2**20


def test_predict_reads_lists_of_values():
    with OtherServer(float_val_answer) as other, Client(other.target) as client:
        answer = client.predict("sketch", {"drawings": BLANK})
    np.testing.assert_array_equal(answer["logits"], [[1.5, -2.0, 0.25]])


def test_tls_needs_a_trusted_certificate():
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    [chain] = certificate.cert_chain_pems
    credentials = grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), chain.bytes())]
    )
    ca = authority.cert_pem.bytes()
    with OtherServer(float_val_answer, credentials) as other:
        with Client(other.target, tls=True, ca=ca) as client:
            assert client.predict("sketch", {"drawings": BLANK})["logits"].shape == (1, 3)
        for options in ({}, {"tls": True}):  # no TLS; TLS without trusting the authority
            with (
                Client(other.target, timeout=5, **options) as client,
                pytest.raises(ServerUnreachable),
            ):
                client.predict("sketch", {"drawings": BLANK})


def test_missing_server_is_unreachable():
    with Client(f"127.0.0.1:{find_free_port()}", timeout=5) as client:
        with pytest.raises(ServerUnreachable, match=r"No model server answers.*python -m serving"):
            client.predict("sketch", {"drawings": BLANK})
        with pytest.raises(ServerUnreachable):
            client.wait_until_ready(seconds=0.5)


def test_call_to_a_hanging_server_ends_at_its_timeout():
    released = threading.Event()

    def hang(request, context):
        released.wait(30)
        return PredictResponse()

    with OtherServer(hang) as other, Client(other.target, timeout=0.5) as client:
        started = time.monotonic()
        with pytest.raises(ServerUnreachable, match="did not answer in time"):
            client.predict("sketch", {"drawings": BLANK})
        took = time.monotonic() - started
        released.set()
    assert 0.4 < took < 3


@pytest.mark.parametrize(("client_timeout", "call_timeout"), [(10.0, 0.5), (0.5, 10.0)])
def test_call_timeout_overrides_the_client_timeout(client_timeout, call_timeout):
    released = threading.Event()

    def take_a_second(request, context):
        released.wait(1)
        return float_val_answer(request, context)

    with (
        OtherServer(take_a_second) as other,
        Client(other.target, timeout=client_timeout) as client,
    ):
        started = time.monotonic()
        is_enough = call_timeout > 1
        with contextlib.nullcontext() if is_enough else pytest.raises(ServerUnreachable):
            answer = client.predict("sketch", {"drawings": BLANK}, timeout=call_timeout)
            assert answer["logits"].shape == (1, 3)
        took = time.monotonic() - started
        released.set()
    assert (1 <= took < 4) if is_enough else (0.4 < took < 0.9)


def test_call_timeout_applies_to_one_call_only():
    def hang(request, context):
        threading.Event().wait(1)
        return float_val_answer(request, context)

    with OtherServer(hang) as other, Client(other.target, timeout=0.3) as client:
        assert client.predict("sketch", {"drawings": BLANK}, timeout=5)
        with pytest.raises(ServerUnreachable):
            client.predict("sketch", {"drawings": BLANK})


@pytest.mark.parametrize("which", ["newest", "first"])
def test_signatures_match_the_saved_model(client, base_path, final_version, which):
    version = final_version if which == "newest" else client.versions()[0]
    saved = SavedModel.FromString((base_path / str(version) / "saved_model.pb").read_bytes())
    written = dict(saved.meta_graphs[0].signature_def)
    written.pop("__saved_model_init_op")

    def read_infos(infos) -> dict[str, TensorInfo]:
        result = {}
        for name, info in infos.items():
            dtype, shape = tf.as_dtype(info.dtype), tf.TensorShape(info.tensor_shape)
            sizes = None if shape.rank is None else tuple(shape.as_list())
            result[name] = TensorInfo({"float32": "float"}.get(dtype.name, dtype.name), sizes)
        return result

    signatures = client.signatures(None if which == "newest" else version)
    assert set(signatures) == set(written)
    for name, signature in written.items():
        assert signatures[name].inputs == read_infos(signature.inputs)
        assert signatures[name].outputs == read_infos(signature.outputs)
    assert signatures["sketch"].inputs == {"drawings": TensorInfo("uint8", (None, None, None))}


def test_signatures_need_a_server_a_model_and_a_version(client, server):
    with pytest.raises(ModelNotLoaded, match="99"):
        client.signatures(99)
    with Client(server.target, model="cifar") as other, pytest.raises(ModelNotLoaded):
        other.signatures()
    with Client(f"127.0.0.1:{find_free_port()}", timeout=2) as unreachable:
        with pytest.raises(ServerUnreachable):
            unreachable.signatures()


def test_signatures_have_unknown_ranks_and_sizes_and_no_initialiser():
    requests = []

    def tell(request, context):
        requests.append(request)
        signature = SignatureDef(method_name="tensorflow/serving/predict")
        signature.inputs["text"].dtype = types_pb2.DT_STRING
        signature.inputs["text"].tensor_shape.unknown_rank = True
        signature.inputs["pixels"].dtype = types_pb2.DT_HALF
        for size in (-1, 3):
            signature.inputs["pixels"].tensor_shape.dim.add().size = size
        signature.outputs["one"].dtype = types_pb2.DT_BOOL
        definitions = SignatureDefMap()
        definitions.signature_def["do"].CopyFrom(signature)
        definitions.signature_def["__saved_model_init_op"].SetInParent()
        response = GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(definitions)
        return response

    with OtherServer(float_val_answer, tell=tell) as other:
        with Client(other.target, model="any") as client:
            assert client.signatures(7) == {
                "do": (
                    {"text": TensorInfo("string", None), "pixels": TensorInfo("half", (None, 3))},
                    {"one": TensorInfo("bool", ())},
                )
            }
    [request] = requests
    assert (request.model_spec.name, request.model_spec.version.value) == ("any", 7)
    assert request.metadata_field == ["signature_def"]


def test_missing_signatures_are_an_error():
    with OtherServer(float_val_answer, tell=lambda *_: GetModelMetadataResponse()) as other:
        with Client(other.target) as client, pytest.raises(WrongAnswer, match="no signatures"):
            client.signatures()
    with OtherServer(float_val_answer) as other, Client(other.target) as client:
        with pytest.raises(RequestRefused, match="UNIMPLEMENTED"):
            client.signatures()


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"signature": "nope"}, RequestRefused, 'Serving signature key "nope" not found'),
        ({"version": 99}, ModelNotLoaded, r"Specific\(mnist, 99\).*/v1/models/mnist"),
        ({"label": "nope"}, RequestRefused, "label: nope"),
        ({"outputs": ["nope"]}, RequestRefused, "not found in signature: nope"),
        ({"inputs": {"image": BLANK}}, RequestRefused, "image"),
        ({"inputs": {"images": BLANK[0]}}, RequestRefused, "INVALID_ARGUMENT"),
    ],
)
def test_invalid_request_raises_its_error(client, arguments, error, sentence):
    arguments = {"signature": "serving_default", "inputs": {"images": BLANK}, **arguments}
    with pytest.raises(error, match=sentence):
        client.predict(**arguments)


def test_unknown_model_is_not_loaded(server):
    with Client(server.target, model="cifar") as client:
        with pytest.raises(ModelNotLoaded, match="does not have it"):
            client.versions()
        with pytest.raises(ModelNotLoaded):
            client.wait_until_ready(seconds=0.3)


def test_slow_connection_is_not_closed():
    """The first bytes take a while, as from a distant server or behind a TLS proxy."""
    with OtherServer(float_val_answer) as other, Line(other.target, delay=0.2) as line:
        with Client(line.target) as client:
            assert client.predict("sketch", {"drawings": BLANK})["logits"].shape == (1, 3)


def test_several_servers_share_the_load():
    counts = [0, 0]

    def count(index):
        def answer(request, context):
            counts[index] += 1
            return float_val_answer(request, context)

        return answer

    with OtherServer(count(0)) as first, OtherServer(count(1)) as second:
        with Client(f"ipv4:{first.target},{second.target}") as client:
            end = time.monotonic() + 20
            while min(counts) < 10 and time.monotonic() < end:
                client.predict("sketch", {"drawings": BLANK})
    assert min(counts) >= 10


def test_client_is_thread_safe(client):
    images = np.random.default_rng(6).random((32, 28, 28), np.float32)

    def predict(image):
        return client.predict("serving_default", {"images": image[None]}, outputs=["logits"])

    with ThreadPoolExecutor(8) as pool:
        answers = [answer["logits"][0] for answer in pool.map(predict, images)]
    batch = client.predict("serving_default", {"images": images}, outputs=["logits"])["logits"]
    np.testing.assert_allclose(answers, batch, rtol=1e-4, atol=1e-4)


def test_wait_until_ready_waits_for_a_server_that_starts_late():
    port = find_free_port()
    server = grpc.server(ThreadPoolExecutor(1))
    status = GetModelStatusResponse()
    status.model_version_status.add(version=5, state=30)
    methods = {
        "GetModelStatus": grpc.unary_unary_rpc_method_handler(
            lambda request, context: status,
            response_serializer=GetModelStatusResponse.SerializeToString,
        )
    }
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", methods)]
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    timer = threading.Timer(0.7, server.start)
    timer.start()
    try:
        with Client(f"127.0.0.1:{port}") as client:
            assert client.wait_until_ready(seconds=10) == [5]
    finally:
        timer.join()
        server.stop(0).wait()
