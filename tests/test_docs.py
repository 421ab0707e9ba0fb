"""The documentation: every command and program runs, and every link leads somewhere."""

import ast
import contextlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

from serving.client import Client
from serving.embedded.servable import Servable
from serving.local import find_free_port
from tests.forked import ForkedServer
from tests.pages import FAST_START, ROOT, wait_for

README = ROOT / "README.md"
DOCUMENTS = [README, *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md"))]
DOCUMENTS += [*sorted((ROOT / "docs").glob("*.md")), ROOT / "serving" / "space" / "README.md"]
MAX_README_WORDS = 1500
PYTHON = ".venv/bin/python"
# Commands that take minutes, with the test that runs a short version of each.
CAMPAIGNS = {
    "tests.bench.camera": None,  # exports MobileNetV2; part of `make bench`
    "tests.bench.failover": "test_failover.py",
    "tests.bench.faithfulness": "test_explanation.py",
    "tests.bench.server_load": "test_bench.py",
    "tests.bench.page_load": "test_bench.py",
    "tests.fuzz": "test_fuzz.py",
    "tests.soak": "test_soak.py",
}
# Commands that another test runs with real data.
ELSEWHERE = {
    f"{PYTHON} train.py --data DIR": ("test_training.py", '"train.py"'),
    f"{PYTHON} train.py --live --recipe sprint": ("test_live_run.py", '"--live"'),
    f"{PYTHON} -m model.report --data DIR --wrong wrong.png": ("test_report.py", "--wrong"),
    f"{PYTHON} -m demo --keras my_model.keras": ("test_demo_main.py", "--keras="),
    f"{PYTHON} -m demo --share --auth ann:secret": ("test_demo_main.py", '"--share"'),
    "bash serving/production/serve.sh --enable_batching "
    "--batching_parameters_file=/config/batching.config": ("test_production.py", '"serve.sh"'),
}


class Block(NamedTuple):
    """A fenced block of a document."""

    document: str
    kind: str
    code: str


def read_blocks() -> list[Block]:
    return [
        Block(document.name, kind, re.sub(r"(?m)^   (?=\S)", "", code))
        for document in DOCUMENTS
        for kind, code in re.findall(r"```(\w+)\n(.*?)```", document.read_text(), re.DOTALL)
    ]


BLOCKS = read_blocks()
SHELL = [block.code for block in BLOCKS if block.kind == "bash"]
# Scripts run as a whole; in other blocks each line is a command of its own.
SCRIPTS = sorted(
    {code for code in SHELL if re.search(r"curl|<<|is_ready|tests\.golden|tar ", code)}
)
COMMANDS = sorted(
    {line for code in SHELL if code not in SCRIPTS for line in code.splitlines() if line.strip()}
)
PROGRAMS = sorted({block.code for block in BLOCKS if block.kind == "python"})
# What the output of a script or program contains, by words in its code; the first that fits.
OUTPUTS = [
    (r'"classify\\?"', r'"classes":\s*5'),
    (r'"describe", "instances"', r"layer-xray/\d"),
    (r"versions/10:predict", r'"probabilities":\s*\['),
    (r"versions/10/metadata", r'"version":\s*"10"'),
    (r":predict \| head", r'"predictions":\s*\[\{'),
    (r"v1/models/mnist\n", r'"state":\s*"AVAILABLE"'),
    (r"/metrics", r"layer_xray_visitors"),
    (r"api_name", r"(?m)^5 \["),
    (r"version=10", r"(?m)^7254 \[\[0.*\n10 \[\["),
    (r"sys\.modules", r"\(1, 10\) False"),
    (r"output_filter|outputs=", r"\[\["),
    (r"\.outputs\[", r"\[\["),
    (r"drawing\[15:85", r"1 \{.*'h_conv1': \(1, 28, 28, 32\)"),
    (r"urllib", r"^\[\d"),
    (r"PredictionLog", r"serving_default \['images'\]"),
]


@pytest.fixture(scope="module")
def workspace(base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with an export, a Keras model and its labels; the sources are links."""
    folder = tmp_path_factory.mktemp("checkout")
    sources = ("model", "serving", "demo", "tests", ".git", "Makefile", "export.py", "README.md")
    for name in (*sources, "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "exported").mkdir()
    (folder / "exported" / "mnist").symlink_to(base_path)
    (folder / "trained").symlink_to(ROOT / "model" / "released")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(inputs, keras.layers.Dense(3)(x)).save(folder / "my_model.keras")
    (folder / "labels.txt").write_text("daisy\nrose\ntulip\n")
    (folder / "PATH").mkdir()
    Image.open(ROOT / "demo" / "digit.png").save(folder / "PATH" / "digit.png")
    return folder


@pytest.fixture
def adapt(request: pytest.FixtureRequest):
    """Puts the tests' own servers into a command or a program."""

    def adapt(code: str) -> str:
        code = code.replace("demo --root-path", "demo --server HOST:8500 --root-path")
        if re.search(r":(8500|8501)|is_ready|HOST:|demo\.examples", code):
            server: ForkedServer = request.getfixturevalue("server")
            code = re.sub(r"(127\.0\.0\.1|HOST):8500", server.target, code)
            code = code.replace("localhost:8500", server.target.replace("127.0.0.1", "localhost"))
            code = re.sub(
                r"(?<=127\.0\.0\.1:)8501|(?<=is_ready.sh )8501", f"{server.rest_api_port}", code
            )
            code = code.replace("demo.examples", f"demo.examples --server {server.target}")
        if ":7860" in code:
            url = request.getfixturevalue("page_url").rstrip("/")
            code = code.replace("http://127.0.0.1:7860", url)
        code = code.replace(PYTHON, sys.executable)
        return re.sub(r"(?<![\w/])\.venv/bin/", f"{Path(sys.executable).parent}/", code)

    return adapt


def run(command: str, folder: Path) -> str:
    """Runs a script to its end and stops whatever it has left running; returns its output."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(180)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        output = log.read()
    # `head` closes the pipe that curl still writes to.
    assert code in ((0, 23, 141) if "| head" in command else (0,)), output
    return output


@contextlib.contextmanager
def running(command: str, folder: Path) -> Iterator[int]:
    """Starts a page or a server on free ports; yields the port of the page or of REST."""
    port = find_free_port()
    serves_rest = "-m serving" in command
    path = "v1/models/" + (re.search(r"--model.name (\w+)", command) or ["", "mnist"])[1]
    if serves_rest:
        command += f" --embedded --port={find_free_port()} --rest-api-port={port} {FAST_START[0]}"
    else:
        command += f" --port={port}"
    process = subprocess.Popen(shlex.split(command), cwd=folder)
    try:
        wait_for(f"http://127.0.0.1:{port}/{path if serves_rest else ''}", process)
        if serves_rest:
            response = urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10)
            assert b'"AVAILABLE"' in response.read()
        yield port
    finally:
        process.terminate()
        process.wait(30)


def check_campaign(module: str, command: str) -> None:
    """A campaign knows the flags, and a test runs a short version of it."""
    assert importlib.util.find_spec(module)
    if flags := re.findall(r"--[a-z-]+", command):
        help = [sys.executable, "-m", module, "--help"]
        known = subprocess.run(help, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert [flag for flag in flags if flag not in known] == []
    if test := CAMPAIGNS[module]:
        assert module.rpartition(".")[2] in (ROOT / "tests" / test).read_text()


def check_container_command(words: list[str]) -> None:
    """What a command for Docker or Kubernetes names is there; the engines themselves are not."""
    text = " ".join(words)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for service in re.findall(r"--scale (\w+)=", text):
        assert service in compose
    for image in re.findall(r"docker pull (\S+)", text):
        assert image in {service.get("image") for service in compose.values()}
    for file, stage in re.findall(r"docker build -f (\S+) --target (\w+)", text):
        assert f" AS {stage}\n" in (ROOT / file).read_text()
    for path in re.findall(r"kubectl apply -[kf] (\S+)", text):
        assert (ROOT / path / "kustomization.yaml" if "-k" in words else ROOT / path).is_file()
    kustomization = yaml.safe_load((ROOT / "serving/kubernetes/kustomization.yaml").read_text())
    images = {image["name"] for image in kustomization["images"]}
    if "kustomize edit set image" in text:
        assert set(re.findall(r" (\S+)=REGISTRY", text)) == images
    if "port-forward" in text:
        assert kustomization["namespace"] in words
        assert "name: page" in (ROOT / "serving" / "kubernetes" / "page.yaml").read_text()


def prepare_server(command: str, folder: Path) -> None:
    """Makes what a server or page is to serve, by the documentation's own commands."""
    makers = {
        "models.config": [code for code in SCRIPTS if "models.config <<" in code],
        "exported/flowers": [code for code in COMMANDS if "--name flowers" in code],
        "exported/layers": [code for code in PROGRAMS if "exported/layers" in code],
    }
    for words, [maker] in makers.items():
        if words in command and not (folder / words).exists():
            if maker in PROGRAMS:
                run(f"{sys.executable} - <<'END'\n{maker}END", folder)
            else:
                run(maker.replace(PYTHON, sys.executable), folder)


def check_output(code: str, output: str) -> None:
    for words, expected in OUTPUTS:
        if re.search(words, code):
            assert re.search(expected, output), output
            return


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, workspace, adapt):
    words = shlex.split(command)
    module = re.match(rf"{re.escape(PYTHON)} -m (\S+)", command)
    if command in ELSEWHERE:
        test, fragment = ELSEWHERE[command]
        assert fragment in (ROOT / "tests" / test).read_text()
    elif module and module[1] in CAMPAIGNS:
        check_campaign(module[1], command)
    elif module and module[1] in ("demo", "serving") and "--version" not in command:
        prepare_server(command, workspace)
        with running(adapt(command), workspace) as port:
            if "models.config" in command:
                [script] = [code for code in SCRIPTS if "/labels/stable" in code]
                assert '"probabilities"' in run(script.replace("8501", str(port)), workspace)
            if "exported/flowers" in command:
                url = f"http://127.0.0.1:{port}/v1/models/flowers:predict"
                inputs = {"pictures": np.zeros((1, 90, 70, 3), int).tolist(), "layers": [1]}
                body = json.dumps({"signature_name": "preview", "inputs": inputs}).encode()
                with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as file:
                    assert np.shape(json.load(file)["outputs"]["probabilities"]) == (1, 3)
    elif words[0] == "make":
        run(f"{command.replace('make', 'make --dry-run')}", ROOT)
    elif words[0] == "git":
        assert words[1] in ("clone", "pull")
    elif words[0] in ("docker", "kubectl", "(cd"):
        check_container_command(words)
    elif words[0].endswith("deno") or {"ruff", "pytest"} & set(words):
        run(f"{adapt(command)} --help", ROOT)
    else:
        run(adapt(command), workspace)


@pytest.mark.parametrize("script", [code for code in SCRIPTS if "/labels/" not in code])
def test_script(script, workspace, adapt, tmp_path):
    if "curl" in script and not shutil.which("curl"):
        pytest.skip("curl is not installed")
    code = adapt(script)
    for port in ("8510", "8511"):
        code = code.replace(port, str(find_free_port()))
    code = re.sub(r"(\S+/hf upload) .*", r"\1 --help", code)  # the flags alone: it needs an account
    output = run(code, workspace)
    assert '"error"' not in output
    check_output(script, output)
    shutil.rmtree(workspace / "space", ignore_errors=True)


@pytest.mark.parametrize(
    "program", [code for code in PROGRAMS if not re.search(r"def split|expose\(", code)]
)
def test_program(program, workspace, adapt, monkeypatch, capsys):
    code = adapt(program)
    if "sys.modules" in code:  # whether TensorFlow is imported shows in a new process only
        output = run(f"{sys.executable} - <<'END'\n{code}END", workspace)
    else:
        monkeypatch.chdir(workspace)
        exec(compile(code, "documentation", "exec"), {})
        output = capsys.readouterr().out
    check_output(program, output)


def test_split_returns_the_layers(client: Client, adapt):
    """The description's program, continued: the preview of a layer is the layer, quantised."""
    [get] = [code for code in PROGRAMS if "descriptions" in code]
    [split] = [code for code in PROGRAMS if "def split" in code]
    names: dict = {}
    exec(adapt(get) + split, names)
    drawing = np.random.default_rng(0).integers(0, 255, (1, 60, 40, 1)).astype(np.uint8)
    numbers = np.array([1, 3], np.int32)
    answer = client.predict("preview", {"pictures": drawing, "layers": numbers})
    layers = names["split"](names["description"], answer, [1, 3])
    for number in (1, 3):
        inputs = {"pictures": drawing, "layer": np.array(number, np.int32)}
        exact = client.predict("layer", inputs)["activations"]
        np.testing.assert_allclose(layers[number], exact, atol=exact.max() / 255)


def test_documented_function_preprocesses_pictures(workspace, tmp_path, monkeypatch):
    [program] = [code for code in PROGRAMS if "expose(model" in code]
    (tmp_path / "my_model.keras").symlink_to(workspace / "my_model.keras")
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    servable = Servable(tmp_path / "exported" / "flowers" / "1")  # runs its warm-up requests
    picture = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3)).astype(np.uint8)
    inputs = {"pictures": picture, "layer": np.array(0, np.int32)}
    prepared = servable.run("layer", inputs)["activations"]
    centred = picture[0] - picture.mean()
    np.testing.assert_allclose(prepared[0], centred / centred.std(), atol=1e-3)


def test_links_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            linked = document.parent / path if path else document
            assert linked.exists(), f"{document.name}: {target}"
            if anchor:
                headings = re.findall(r"(?m)^#+ (.*)$", linked.read_text())
                anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
                assert anchor in anchors, f"{document.name}: {target}"


def test_every_document_is_linked_from_the_readme():
    readme = README.read_text()
    for document in DOCUMENTS[1:-1]:
        assert f"({document.relative_to(ROOT)}" in readme, document


def test_the_readme_is_short():
    assert len(README.read_text().split()) <= MAX_README_WORDS


def test_files_named_in_the_documentation_exist():
    for document in DOCUMENTS:
        for name in re.findall(r"`((?:model|serving|demo|tests)/[\w./-]*)`", document.read_text()):
            assert (ROOT / name).exists(), f"{document.name}: {name}"
    text = (ROOT / "docs" / "architecture.md").read_text()
    folders = [ROOT / name for name in ("model", "serving", "demo", "tests")]
    for name in re.findall(r"[\w/]+\.(?:py|js|html|css|png)\b", text):
        files = [file for folder in folders for file in folder.glob(f"**/{name}")]
        assert files or (ROOT / name).is_file(), f"architecture.md: {name}"


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("model", {"serving", "demo", "gradio"}),
        ("serving", {"model", "demo", "gradio"}),
        ("demo", {"tensorflow", "keras"}),
    ],
)
def test_parts_depend_as_the_architecture_says(part, forbidden):
    for path in (ROOT / part).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported = {name.partition(".")[0] for name in names}
            assert not imported & forbidden, path
