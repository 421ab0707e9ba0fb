"""Requests succeed while versions change, labels move and the server stops."""

import base64
import gc
import http.client
import json
import shutil
import signal
import subprocess
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from serving.client import Client, ModelNotLoaded
from serving.embedded.servable import Servable
from serving.embedded.versions import Versions
from serving.local import find_free_port
from serving.tensors import to_array, to_proto
from tests.forked import ForkedServer
from tests.pages import FAST_START
from tests.pictures import dark_on_light, encode
from tests.test_local import run_serving, wait_until

REQUESTS = 1000
IMAGE = np.linspace(0, 1, 784, dtype=np.float32).reshape(1, 28, 28)


class Served:
    """A base path with copies of exported versions, which have different logits."""

    def __init__(self, folder: Path, exported: Path):
        self.path = folder / "mnist"
        self._exported = exported
        self.path.mkdir()

    def add(self, version: int) -> None:
        unfinished = self.path / f"copying-{version}"
        shutil.copytree(self._exported / str(version), unfinished)
        unfinished.rename(self.path / str(version))

    def add_damaged(self, version: int) -> None:
        unfinished = self.path / f"copying-{version}"
        unfinished.mkdir()
        (unfinished / "saved_model.pb").write_bytes(b"no SavedModel")
        unfinished.rename(self.path / str(version))

    def remove(self, version: int) -> None:
        shutil.rmtree(self.path / str(version))

    def config(self, **labels: int) -> str:
        pairs = " ".join(
            f'version_labels {{ key: "{label}" value: {version} }}'
            for label, version in labels.items()
        )
        return (
            f'model_config_list {{ config {{ name: "mnist" base_path: "{self.path}" '
            f'model_platform: "tensorflow" model_version_policy {{ all {{}} }} {pairs} }} }}'
        )


@dataclass
class Traffic:
    """Sends requests and records the answers and the errors.

    An answer is (time of the request, time of the answer, version, logits).
    """

    target: str
    answers: list[tuple[float, float, int, list[float]]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        request = PredictRequest(output_filter=["logits"])
        request.model_spec.name = "mnist"
        request.inputs["images"].CopyFrom(to_proto(IMAGE))
        with grpc.insecure_channel(self.target) as channel:
            predict = PredictionServiceStub(channel).Predict
            while len(self.answers) + len(self.errors) < REQUESTS or not stop.is_set():
                sent = time.monotonic()
                try:
                    answer = predict(request, timeout=10)
                except grpc.RpcError as error:
                    self.errors.append(f"{error.code()}: {error.details()}")
                    continue
                logits = to_array(answer.outputs["logits"])[0].tolist()
                version = answer.model_spec.version.value
                self.answers.append((sent, time.monotonic(), version, logits))


def test_no_request_fails_while_versions_appear_fail_and_disappear(base_path, client, tmp_path):
    first, second, third, *_ = sorted(int(path.name) for path in base_path.iterdir())
    expected = {
        version: client.predict("serving_default", {"images": IMAGE}, version=version)["logits"][0]
        for version in (first, second, third)
    }
    served = Served(tmp_path, base_path)
    served.add(first)
    added = {first: time.monotonic()}
    removed: dict[int, float] = {}
    with ForkedServer(served.path) as server, Client(server.target, timeout=30) as watcher:
        traffic, stop = Traffic(server.target), threading.Event()

        def add(version: int) -> None:
            added[version] = time.monotonic()
            served.add(version)
            wait_until(lambda: version in watcher.versions())

        def remove(version: int) -> None:
            served.remove(version)
            wait_until(lambda: version not in watcher.versions())
            removed[version] = time.monotonic()

        with ThreadPoolExecutor() as threads:
            run = threads.submit(traffic.run, stop)
            try:
                add(second)
                served.add_damaged(third + 1)
                status = f"/v1/models/mnist/versions/{third + 1}"
                wait_until(lambda: "END" in rest(server, "GET", status)[1])
                add(third)
                remove(second)
                remove(first)
            finally:
                stop.set()
            run.result(timeout=120)
    assert traffic.errors == []
    assert len(traffic.answers) >= REQUESTS
    assert {version for _, _, version, _ in traffic.answers} == {first, second, third}
    for sent, answered, version, logits in traffic.answers:
        assert added[version] <= answered
        assert sent <= removed.get(version, sent)
        np.testing.assert_allclose(logits, expected[version], rtol=1e-4, atol=1e-5)


def test_damaged_version_reports_its_error_and_the_old_one_answers(base_path, tmp_path):
    version = min(int(path.name) for path in base_path.iterdir())
    served = Served(tmp_path, base_path)
    served.add(version)
    served.add_damaged(version + 1)
    with ForkedServer(served.path) as server, Client(server.target) as client:
        wait_until(lambda: "END" in rest(server, "GET", "/v1/models/mnist")[1])
        states = json.loads(rest(server, "GET", "/v1/models/mnist")[1])["model_version_status"]
        assert [(state["version"], state["state"]) for state in states] == [
            (str(version + 1), "END"),
            (str(version), "AVAILABLE"),
        ]
        assert states[0]["status"]["error_code"] != "OK"
        assert states[0]["status"]["error_message"]
        assert client.predict("serving_default", {"images": IMAGE})["logits"].any()


def test_unused_version_is_freed_without_the_garbage_collector(base_path):
    """Versions that wait for the garbage collector would take hundreds of MB."""
    gc.disable()
    try:
        servable = Servable(base_path / str(min(int(path.name) for path in base_path.iterdir())))
        assert servable.run("serving_default", {"images": IMAGE})["logits"].any()
        session = weakref.ref(servable._session)
        del servable
        assert session() is None
    finally:
        gc.enable()


@pytest.fixture
def two_versions(base_path, tmp_path) -> tuple[Served, int, int]:
    """A base path with two versions, and their numbers."""
    first, second, *_ = sorted(int(path.name) for path in base_path.iterdir())
    served = Served(tmp_path, base_path)
    served.add(first)
    served.add(second)
    return served, first, second


def test_label_is_moved_by_a_request(two_versions, tmp_path):
    served, first, second = two_versions
    config = tmp_path / "models.config"
    config.write_text(served.config(stable=first))
    with (
        ForkedServer(served.path, flags=(f"--model_config_file={config}", *FAST_START)) as server,
        Client(server.target) as client,
        grpc.insecure_channel(server.target) as channel,
    ):
        reload = ModelServiceStub(channel).HandleReloadConfigRequest

        def configure(**labels: int) -> None:
            message = text_format.Parse(served.config(**labels), ModelServerConfig())
            assert reload(ReloadConfigRequest(config=message), timeout=30).status.error_code == 0

        def logits(**version) -> list[float]:
            return client.predict("serving_default", {"images": IMAGE}, **version)[
                "logits"
            ].tolist()

        assert logits(label="stable") == logits(version=first)
        configure(stable=second, old=first)
        assert logits(label="stable") == logits(version=second)
        assert logits(label="old") == logits(version=first)
        with pytest.raises(grpc.RpcError) as caught:
            configure(stable=77)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "not currently available for inference" in caught.value.details()
        assert logits(label="stable") == logits(version=second)


def test_invalid_base_path_has_no_versions():
    """It must not end the thread that polls all models."""
    versions = Versions(ModelConfig(name="odd", base_path="\0"))
    versions.poll()
    assert versions.find() is None


def test_label_is_moved_by_the_configuration_file(two_versions, tmp_path):
    served, first, second = two_versions
    config = tmp_path / "models.config"
    config.write_text(served.config(stable=first))
    flags = (
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=1",
        *FAST_START,
    )
    with ForkedServer(served.path, flags=flags) as server, Client(server.target) as client:

        def logits(**version) -> list[float]:
            return client.predict("serving_default", {"images": IMAGE}, **version)[
                "logits"
            ].tolist()

        expected = logits(version=second)
        assert logits(label="stable") != expected
        config.write_text("no configuration")  # is ignored
        config.write_text(served.config(stable=second))
        wait_until(lambda: logits(label="stable") == expected)


def test_label_may_name_a_version_that_is_not_loaded_yet(base_path, tmp_path):
    """As TensorFlow Serving with the flag that `python -m serving` passes to it."""
    first, second, *_ = sorted(int(path.name) for path in base_path.iterdir())
    served = Served(tmp_path, base_path)
    served.add(first)
    config = tmp_path / "models.config"
    config.write_text(served.config(stable=second))
    flags = (f"--model_config_file={config}", *FAST_START)
    with ForkedServer(served.path, flags=flags) as server, Client(server.target) as client:
        with pytest.raises(ModelNotLoaded, match=rf"Specific\(mnist, {second}\)"):
            client.predict("serving_default", {"images": IMAGE}, label="stable")
        served.add(second)
        wait_until(lambda: second in client.versions())
        answer = client.predict("serving_default", {"images": IMAGE}, label="stable")
        assert answer.version == second


@pytest.mark.parametrize("protocol", ["gRPC", "REST"])
def test_running_request_is_answered_before_the_server_stops(newest_alone, digits, protocol):
    files = [encode(dark_on_light(digits[0][index]), "PNG") for index in range(0, 5000, 16)]
    ports = find_free_port(), find_free_port()
    process = run_serving(
        f"--model-base-path={newest_alone}", f"--port={ports[0]}", f"--rest-api-port={ports[1]}"
    )
    with Client(f"127.0.0.1:{ports[0]}", timeout=30) as client, ThreadPoolExecutor() as threads:
        client.wait_until_ready(60)

        def classify() -> int:
            if protocol == "gRPC":
                inputs = {"image_bytes": np.array(files, object)}
                return len(client.predict("classify", inputs)["classes"])
            instances = [{"b64": base64.b64encode(file).decode()} for file in files]
            body = {"signature_name": "classify", "instances": instances}
            answer = rest(ports[1], "POST", "/v1/models/mnist:predict", body)[1]
            return len(json.loads(answer)["predictions"])

        idle = cpu_seconds(process)
        answer = threads.submit(classify)
        wait_until(lambda: cpu_seconds(process) > idle + 0.1 or answer.done())
        assert not answer.done(), "the request must still run when the server gets the signal"
        process.send_signal(signal.SIGTERM)
        assert answer.result(timeout=30) == len(files)
    process.communicate(timeout=20)
    assert process.returncode == 0


def cpu_seconds(process: subprocess.Popen) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # utime and stime in clock ticks


def rest(server: ForkedServer | int, method: str, path: str, body: object = None):
    """Sends a REST request and returns the status and the text of the answer."""
    port = server if isinstance(server, int) else server.rest_api_port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, None if body is None else json.dumps(body))
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def test_description_contains_the_training_steps(client):
    inputs = {"anything": np.zeros(1, np.int32)}
    for version in client.versions():
        description = client.predict("describe", inputs, version=version)["descriptions"][0]
        trained = json.loads(description)["trained"]
        assert (trained["steps"], trained["version_offset"]) == (version, 0)
        assert trained["curve"][-1][0] == version  # the released curve, up to this version
