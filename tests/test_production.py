"""Production configuration: TensorFlow Serving's flags and files, images, Compose, Kubernetes."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from google.protobuf import text_format
from grpc._cython import cygrpc
from starlette.applications import Starlette
from starlette.testclient import TestClient

from demo.metrics import Metrics
from demo.rest_proxy import AT_ONCE
from model.guards import MAX_DRAWING_PIXELS
from model.weights import RELEASED, find_snapshots
from serving.client import MAX_CONCURRENT
from serving.config import read_config
from serving.embedded.grpc_api import MAX_MESSAGE_BYTES
from serving.local import find_free_port
from tests.forked import ForkedServer
from tests.pages import ROOT, wait_for
from tests.tfs_messages import BatchingParameters, MonitoringConfig

PRODUCTION = ROOT / "serving" / "production"
KUBERNETES = ROOT / "serving" / "kubernetes"
KUBERNETES_VERSION = "1.31"
TENSORFLOW_SERVING = "2.20.0"
SERVING = ("Deployment", "serving")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
# From tensorflow_model_server's main.cc, the same in 2.17 and 2.20.
FLAGS = """
port rest_api_port rest_api_num_threads rest_api_timeout_in_ms rest_api_enable_cors_support
enable_batching batching_parameters_file enable_per_model_batching_parameters
allow_version_labels_for_unavailable_models model_config_file model_config_file_poll_wait_seconds
model_name model_base_path num_load_threads num_unload_threads max_num_load_retries enable_profiler
load_retry_interval_micros file_system_poll_wait_seconds flush_filesystem_caches
tensorflow_session_parallelism tensorflow_session_config_file tensorflow_intra_op_parallelism
tensorflow_inter_op_parallelism ssl_config_file platform_config_file grpc_channel_arguments
grpc_max_threads grpc_socket_path enable_model_warmup num_request_iterations_for_warmup
monitoring_config_file enable_profiler enable_grpc_healthcheck_service
""".split()  # without enable_serialization_as_tensor_content, which crashes the REST API


def test_model_configurations_select_the_released_versions():
    [model] = read_config(PRODUCTION / "models.config").model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == (
        "mnist",
        "/models/mnist",
        "tensorflow",
    )
    assert model.model_version_policy.HasField("all")
    assert dict(model.version_labels) == {"stable": max(find_snapshots(RELEASED))}
    [model] = read_config(PRODUCTION / "models-latest.config").model_config_list.config
    assert model.model_version_policy.latest.num_versions == 1


def test_batching_and_monitoring_configurations_are_valid():
    batching = text_format.Parse((PRODUCTION / "batching.config").read_text(), BatchingParameters())
    assert batching.max_batch_size.value == 1024  # the graph's limit
    assert batching.enable_large_batch_splitting.value
    assert batching.max_execution_batch_size.value * batching.max_enqueued_batches.value >= 1024
    text = (PRODUCTION / "monitoring.config").read_text()
    monitoring = text_format.Parse(text, MonitoringConfig()).prometheus_config
    assert monitoring.enable
    prometheus = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])
    servers, page = prometheus["scrape_configs"]
    assert servers["metrics_path"] == monitoring.path
    [names] = servers["dns_sd_configs"]
    assert names["names"][0] in SERVICES
    [targets] = page["static_configs"]
    assert targets["targets"] == ["page:7860"]
    assert "page" in SERVICES


def test_dashboard_uses_existing_metrics():
    metrics = Metrics()
    metrics.answered("predict", "answered", 0.01)
    metrics.passed_on(200, 0.01)
    with TestClient(Starlette(routes=[metrics.route()])) as page:
        exported = set(re.findall(r"^([a-z_:]+)[{ ]", page.get("/metrics").text, re.MULTILINE))
    # TensorFlow Serving 2.20: servables/tensorflow/util.cc, batching/batching_session.cc
    exported |= {
        ":tensorflow:serving:request_count",
        ":tensorflow:serving:request_latency_bucket",
        ":tensorflow:serving:runtime_latency_bucket",
        ":tensorflow:serving:batching_session:queuing_latency_bucket",
    }
    dashboard = json.loads((PRODUCTION / "dashboard.json").read_text())
    queries = " ".join(
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    )
    names = set(re.findall(r"(?:layer_xray|process|:tensorflow)[a-z_:]+", queries))
    assert len(names) > 10
    assert names <= exported


def test_serve_script_passes_only_known_flags(tmp_path):
    """A fake server records its flags."""
    program = tmp_path / "tensorflow_model_server"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/flags\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["bash", PRODUCTION / "serve.sh", "--rest_api_port=1234"]
    subprocess.run(command, env=environment, check=True, timeout=20)
    lines = (tmp_path / "flags").read_text().splitlines()
    flags = dict(line.removeprefix("--").split("=", 1) for line in lines)
    assert set(flags) <= set(FLAGS)
    assert flags["rest_api_port"] == "1234"  # flags given to the script win
    for name, value in flags.items():
        if name.endswith("_config_file"):
            assert (PRODUCTION / Path(value).relative_to("/config")).is_file()
    # gRPC ignores unknown channel arguments; the names of known ones are in its library.
    library = Path(cygrpc.__file__).read_bytes()
    for argument in flags["grpc_channel_arguments"].split(","):
        name, value = argument.split("=")
        assert name.encode() in library, name
        assert value.isdecimal()


def test_flag_that_crashes_the_rest_api_is_not_used():
    """With --enable_serialization_as_tensor_content, the first REST :predict crashes the server."""
    listed = subprocess.run(
        ["git", "ls-files", "serving", "demo", "model", "docker-compose.yml", "*.py", "Makefile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert len(listed) > 50
    for name in listed:
        if name.startswith("tests/") or not (ROOT / name).exists():
            continue
        lines = (ROOT / name).read_bytes().splitlines()
        code = [line for line in lines if not line.lstrip().startswith(b"#")]
        assert not any(b"enable_serialization_as_tensor_content" in line for line in code), name


@pytest.fixture
def served_by(tmp_path):
    """A function that starts serve.sh with a script as the server."""
    processes = []

    def start(script: str) -> subprocess.Popen:
        program = tmp_path / "tensorflow_model_server"
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        # Background processes inherit an ignored SIGINT, which a shell cannot trap.
        command = ["env", "--default-signal=INT", "bash", PRODUCTION / "serve.sh"]
        processes.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_script_stops_the_server_on_a_signal(served_by, number):
    """Also a server that would ignore the signal as a container's first process."""
    process = served_by("echo $$; exec sleep 60")
    pid = int(process.stdout.readline())
    process.send_signal(number)
    assert process.wait(5) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_serve_script_returns_the_exit_code_of_the_server(served_by):
    for _ in range(20):  # also if the server exits before the script waits
        assert served_by("exit 7").wait(5) == 7


def test_memory_of_all_requests_fits_the_limit():
    """Checks the calculation in serve.sh with the script's flags."""
    script = (PRODUCTION / "serve.sh").read_text()
    grpc, rest = (
        int(re.search(rf"--{name}=(\d+)", script)[1])
        for name in ("grpc_max_threads", "rest_api_num_threads")
    )
    gigabytes = 0.7 + grpc * 0.13 + rest * 0.5
    for text in ("0.7 GB", "0.13 GB", "0.5 GB", f"{grpc} gRPC calls", f"{rest} REST requests"):
        assert text in script
    kserve = yaml.safe_load((KUBERNETES / "kserve.yaml").read_text())["spec"]["predictor"]["model"]
    [serving] = [m for m in manifests() if (m["kind"], m["metadata"]["name"]) == SERVING]
    [container] = serving["spec"]["template"]["spec"]["containers"]
    for resources in (container["resources"], kserve["resources"]):
        limit = int(resources["limits"]["memory"].removesuffix("Gi")) * 1.024**3
        assert gigabytes < limit
    assert {f"--grpc_max_threads={grpc}", f"--rest_api_num_threads={rest}"} <= set(kserve["args"])
    assert grpc > MAX_CONCURRENT  # the page's calls, with room for others
    assert rest > AT_ONCE  # one is left for the readiness check
    assert f"max_receive_message_length={MAX_MESSAGE_BYTES}" in str(kserve["args"])
    largest = int(re.search(r"max_receive_message_length=(\d+)", script)[1])
    assert largest == MAX_MESSAGE_BYTES > MAX_DRAWING_PIXELS


def is_ready(port: int) -> bool:
    command = ["bash", PRODUCTION / "is_ready.sh", str(port)]
    return subprocess.run(command, capture_output=True, timeout=20).returncode == 0


def test_server_with_a_loaded_version_is_ready(server: ForkedServer, tmp_path):
    assert is_ready(server.rest_api_port)
    assert not is_ready(find_free_port())
    port = find_free_port()
    web_server = [sys.executable, "-m", "http.server", "--bind=127.0.0.1", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(web_server, cwd=tmp_path, **quiet)
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        assert not is_ready(port)  # it serves no model
    finally:
        process.terminate()
        process.wait(10)


def test_compose_file_is_valid():
    schema = ["--builtin-schema", "vendor.compose-spec"]
    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, ROOT / "docker-compose.yml"],
        check=True,
        timeout=60,
    )


def test_compose_publishes_ports_on_localhost_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert {port.split(":")[1] for port in ports} == {"8500", "8501", "7860", "9090"}


def test_compose_services_wait_for_each_other_and_scale():
    assert "ports" not in SERVICES["serving"]  # several servers cannot publish the same port
    assert SERVICES["serving"]["depends_on"]["export"]["condition"] == (
        "service_completed_successfully"
    )
    for name in ("page", "gateway"):
        assert SERVICES[name]["depends_on"]["serving"]["condition"] == "service_healthy"
    assert "--server=dns:///serving:8500" in SERVICES["page"]["command"]
    assert "proxy_pass serving:$server_port;" in (PRODUCTION / "gateway.conf").read_text()
    assert all(re.search(r":v?\d", service.get("image", ":1")) for service in SERVICES.values())


def test_compose_mounts_no_files_of_the_checkout():
    """They may be readable by their owner only, who is not the user in a container."""
    targets = re.findall(r"^FROM .* AS (\w+)$", dockerfile("production"), re.MULTILINE)
    for service in SERVICES.values():
        if "build" in service:
            assert service["build"]["target"] in targets
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]
    assert all("content" in config for config in COMPOSE["configs"].values())


def test_compose_services_have_health_checks_and_restart():
    for name, service in SERVICES.items():
        assert "profiles" not in service  # `down` leaves profiles running
        if name == "export":
            continue
        assert service["restart"] == "unless-stopped", name
        assert name == "prometheus" or service["healthcheck"]["test"], name
    assert SERVICES["prometheus"]["scale"] == 0
    assert SERVICES["page"]["init"] and SERVICES["export"]["init"]


def test_gateway_tries_the_next_server_quickly():
    text = (PRODUCTION / "gateway.conf").read_text()
    milliseconds = int(re.search(r"proxy_connect_timeout (\d+)ms;", text)[1])
    tries = int(re.search(r"proxy_next_upstream_tries (\d+);", text)[1])
    assert milliseconds * (tries - 1) < 500


def dockerfile(folder: str) -> str:
    return (ROOT / "serving" / folder / "Dockerfile").read_text()


@pytest.mark.parametrize("folder", ["production", "space"])
def test_dockerfiles_copy_existing_files_and_run_unprivileged(folder):
    text = dockerfile(folder)
    for sources in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    for stage in ("export", "page", "serving") if folder == "production" else ("",):
        _, _, rest = text.partition(f" AS {stage}\n" if stage else "FROM ")
        assert re.search(r"^USER (user|1000)$", rest.split("\nFROM ")[0], re.MULTILINE), stage
    for copied in re.findall(r"^COPY (?!--from).*$", text, re.MULTILINE):
        assert "--chmod=" in copied, copied


def test_images_contain_what_they_copy_and_the_version():
    """The build context has what .dockerignore accepts; the version is in pyproject.toml."""
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    context = {line[1:] for line in lines if line.startswith("!")}
    assert "pyproject.toml" in context
    text = dockerfile("production")
    _, _, page = text.partition(" AS page\n")
    assert re.search(r"^COPY .*pyproject\.toml \.$", page.split("\nFROM ")[0], re.MULTILINE)
    for sources in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert source.split("/")[0] in context, source
    assert re.search(r"^COPY (?:--\S+ )*\. \.$", dockerfile("space"), re.MULTILINE)


def test_tensorflow_serving_has_one_version_everywhere():
    files = [ROOT / "docker-compose.yml", *ROOT.glob("serving/*/Dockerfile")]
    versions = {
        version
        for file in files
        for version in re.findall(r"tensorflow/serving:([\w.]+)", file.read_text())
    }
    assert versions == {TENSORFLOW_SERVING}


def manifests() -> list[dict]:
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    return [
        manifest
        for name in kustomization["resources"]
        for manifest in yaml.safe_load_all((KUBERNETES / name).read_text())
    ]


@pytest.mark.parametrize("manifest", manifests(), ids=lambda m: f"{m['kind']} {m['metadata']}")
def test_kubernetes_manifest_is_valid(manifest):
    kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)


def test_kserve_has_the_same_server_and_flags():
    service = yaml.safe_load((KUBERNETES / "kserve.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == (
        "serving.kserve.io/v1beta1",
        "InferenceService",
    )
    model = service["spec"]["predictor"]["model"]
    assert service["metadata"]["name"] == "mnist"  # KServe uses it as the model's name
    assert model["modelFormat"]["name"] == "tensorflow"
    assert model["runtimeVersion"] == TENSORFLOW_SERVING
    assert {flag.removeprefix("--").split("=")[0] for flag in model["args"]} <= set(FLAGS)


def test_kustomization_is_valid():
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    assert kustomization["apiVersion"] == "kustomize.config.k8s.io/v1beta1"
    assert set(kustomization) == {
        *("apiVersion", "kind", "namespace", "labels", "resources", "images")
    }
    for name in kustomization["resources"]:
        assert (KUBERNETES / name).is_file()


def test_kubernetes_manifests_are_consistent():
    specs = {(m["kind"], m["metadata"]["name"]): m["spec"] for m in manifests() if "spec" in m}
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    images = {image["name"] for image in kustomization["images"]}
    for name in ("serving", "page"):
        deployment, service = specs["Deployment", name], specs["Service", name]
        labels = deployment["template"]["metadata"]["labels"]
        assert deployment["selector"]["matchLabels"].items() <= labels.items()
        assert service["selector"].items() <= labels.items()
        [container] = deployment["template"]["spec"]["containers"]
        assert container["image"] in images
        ports = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["ports"]} <= ports
        assert container["readinessProbe"]
        assert container["resources"]["requests"]
    assert specs["Service", "serving"]["clusterIP"] == "None"
    labels = specs["Deployment", "serving"]["template"]["metadata"]["labels"]
    assert specs["PodDisruptionBudget", "serving"]["selector"]["matchLabels"] == labels
    target = specs["HorizontalPodAutoscaler", "serving"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) in specs
    [page] = specs["Deployment", "page"]["template"]["spec"]["containers"]
    assert page["args"] == SERVICES["page"]["command"]
    policy = specs["NetworkPolicy", "serving"]
    assert policy["podSelector"]["matchLabels"] == labels
    [rule] = policy["ingress"]
    page_labels, client_labels = (peer["podSelector"]["matchLabels"] for peer in rule["from"])
    assert page_labels == specs["Deployment", "page"]["template"]["metadata"]["labels"]
    assert str(client_labels["layer-xray/client"]) == "true"
    assert 'layer-xray/client: "true"' in (ROOT / "docs" / "security.md").read_text()
