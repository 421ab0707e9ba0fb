"""The README's examples, pasted."""

import re
import shutil
import subprocess
import sys

import pytest

from serving.local import LocalServer
from tests.pages import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", README, re.DOTALL)
CALLS = [code for _, code in BLOCKS if re.search(r":(8500|8501|7860)", code)]
EXAMPLES = [code for code in CALLS if "-m demo" not in code]  # test_demo_main has those


def run(code: str) -> str:
    if "curl" in code and not shutil.which("curl"):
        pytest.skip("there is no curl")
    command = ["bash", "-c"] if "curl" in code else [sys.executable, "-c"]
    result = subprocess.run(
        [*command, code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    return result.stdout


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ('\\"classify\\"', r'"classes":\s*5'),
        ("head -c", r'"predictions":\s*\[\{'),
        ("curl -s http://127.0.0.1:8501", r'"state":\s*"AVAILABLE"'),
        ("curl -s http://127.0.0.1:7860", r'"state":\s*"AVAILABLE"'),
        ("serving.client", r"(?s)^1 .*'h_conv1': \(1, 28, 28, 32\).*\[\[0"),
        ("tensorflow_serving", r"(?s)\[\[.*\]\]"),
        ("gradio_client", r"\n5 \["),
    ],
)
def test_the_example_works_as_it_stands(server: LocalServer, page_url: str, words, answer):
    [code] = [code for code in EXAMPLES if words in code]
    for port, url in (
        ("127.0.0.1:8500", server.target),
        ("127.0.0.1:8501", f"127.0.0.1:{server.rest_api_port}"),
        ("http://127.0.0.1:7860", page_url.rstrip("/")),
    ):
        code = code.replace(port, url)
    assert re.search(answer, run(code))


def test_every_example_is_tested():
    assert len(EXAMPLES) == 7
