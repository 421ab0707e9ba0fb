"""Measures the figures in docs/performance.md, each next to its baseline: `make bench`."""

import numpy as np

from model.export import export_versions
from model.mnist import load_mnist
from model.weights import RELEASED, find_snapshots
from serving.client import Client
from serving.local import LocalServer
from tests.bench.camera import measure_camera, print_camera
from tests.bench.latency_breakdown import measure_latency_breakdown
from tests.bench.page_load import VISITORS, measure_idle, measure_page_load, print_page_load
from tests.bench.pen import measure_pages
from tests.bench.predict import measure_predict
from tests.bench.server_load import measure_server_load, print_server_load
from tests.bench.training import measure_training
from tests.bench.training_step import BATCH, measure_peak, measure_step
from tests.bench.tutorial import STEPS
from tests.conftest import FULL_MNIST
from tests.pages import ROOT, run_page


def main() -> None:
    measure_serving()
    print_camera(measure_camera())
    measure_learning()


def measure_serving() -> None:
    """Measures and prints the latency and throughput of the page and the model server."""
    base_path = ROOT / "exported" / "for-tests"
    snapshots = find_snapshots(RELEASED)
    export_versions(snapshots, base_path)
    with LocalServer(base_path) as server:
        live, stock = measure_pages(server)
        newest = base_path / str(max(snapshots))
        with Client(server.target) as client, run_page(server.target) as url:
            served, local = measure_predict(client, newest)
            idle = measure_idle(url)
            breakdown = measure_latency_breakdown(client, newest, url)
            page_loads = [measure_page_load(url, count) for count in VISITORS]
            through_gradio = [
                measure_page_load(url, count, through_gradio=True) for count in VISITORS
            ]
        server_loads = measure_server_load(server.target)
    print("| milliseconds | median | 95th percentile | measured |")
    print("| --- | --- | --- | --- |")
    _print_row("pointer event until all galleries are painted", live)
    _print_row("the same from pen-up with stock `gr.Sketchpad` and four `gr.Image`", stock)
    _print_row("`Predict` of `sketch`, all outputs, client and embedded server", served)
    _print_row("the same signature of the same SavedModel, in process", local)
    print(f"\nstock page / this page: {np.median(stock) / np.median(live):.0f}")
    print(f"over gRPC / in process: {np.median(served) / np.median(local):.2f}\n")
    print("| one response of an otherwise idle page | milliseconds |")
    print("| --- | --- |")
    for part, milliseconds in breakdown.items():
        print(f"| {part} | {milliseconds:.2f} |")
    print(f"\nidle page: {idle:.2%} of a core")
    print("\nconcurrent visitors, over live connections:\n")
    print_page_load(page_loads)
    print("\nconcurrent visitors, through Gradio's HTTP API (the fallback without WebSockets):\n")
    print_page_load(through_gradio)
    print("\nmodel server, throughput under concurrent clients:\n")
    print_server_load(server_loads)


def measure_learning() -> None:
    """Measures and prints a training step and, if the MNIST files are there, whole trainings."""
    peak = measure_peak()
    parts = measure_step()
    step_seconds = sum(seconds for _, seconds, _ in parts)
    print(f"\n| a training step of {BATCH} digits | milliseconds | GFLOP/s | of peak |")
    print("| --- | --- | --- | --- |")
    for name, seconds, operations in parts:
        print(
            f"| {name} | {1000 * seconds:.1f} | {operations / seconds / 1e9:.0f} "
            f"| {operations / seconds / peak:.0%} |"
        )
    operations = sum(operations for *_, operations in parts)
    print(
        f"| total | {1000 * step_seconds:.1f} | {operations / step_seconds / 1e9:.0f} "
        f"| {operations / step_seconds / peak:.0%} |"
    )
    print(f"\npeak (matrix product): {peak / 1e9:.0f} GFLOP/s")
    if not FULL_MNIST.is_dir():
        print("Training is not measured: set MNIST=DIR to the folder with MNIST's IDX files.")
        return
    times = measure_training(load_mnist(FULL_MNIST))
    print("\n| training | seconds | of the tutorial's time |")
    print("| --- | --- | --- |")
    for name, seconds in (
        (f"the tutorial's {STEPS:,} steps, extrapolated", times.tutorial),
        (f"sprint, at least {times.sprint_accuracy:.2%} on the test digits", times.sprint),
        ("release, extrapolated from one epoch", times.release),
    ):
        print(f"| {name} | {seconds:.0f} | 1/{times.tutorial / seconds:.1f} |")
    print(f"\nsprint with --live / without: {times.live_sprint / times.sprint:.2f}")


def _print_row(name: str, times: list[float]) -> None:
    median, high = np.percentile(times, [50, 95])
    print(f"| {name} | {median:.1f} | {high:.1f} | {len(times)} |")


if __name__ == "__main__":
    main()
