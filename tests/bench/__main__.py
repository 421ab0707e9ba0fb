"""The figures that the README quotes, each beside what it is compared with: `make bench`."""

import numpy as np

from model.export import export_versions
from model.mnist import load_mnist
from model.weights import RELEASED, find_snapshots
from serving.client import Client
from serving.local import LocalServer
from tests.bench.answer import measure_answer
from tests.bench.camera import measure_camera, print_camera
from tests.bench.load import measure_load, print_load
from tests.bench.pen import measure_pages
from tests.bench.pens import PENS, measure_idle, measure_pens, print_pens
from tests.bench.predict import measure_predict
from tests.bench.step import BATCH, measure_peak, measure_step
from tests.bench.training import measure_training
from tests.bench.tutorial import STEPS
from tests.conftest import FULL_MNIST
from tests.pages import ROOT, run_page


def main() -> None:
    serve()
    print_camera(measure_camera())
    learn()


def serve() -> None:
    """The page and the model server."""
    base_path = ROOT / "exported" / "for-tests"
    snapshots = find_snapshots(RELEASED)
    export_versions(snapshots, base_path)
    with LocalServer(base_path) as server:
        live, stock = measure_pages(server)
        newest = base_path / str(max(snapshots))
        with Client(server.target) as client, run_page(server.target) as url:
            served, local = measure_predict(client, newest)
            idle = measure_idle(url)
            parts = measure_answer(client, newest, url)
            pens = [measure_pens(url, count) for count in PENS]
            through_gradio = [measure_pens(url, count, through_gradio=True) for count in PENS]
        loads = measure_load(server.target)
    print("| milliseconds | median | 95th percentile | measured |")
    print("| --- | --- | --- | --- |")
    _row("pointer event to all galleries painted", live)
    _row("the same from pen-up, stock gr.Sketchpad and four gr.Image", stock)
    _row("Predict of `sketch`, all outputs, client and embedded server", served)
    _row("the same signature of the same SavedModel, in process", local)
    print(f"\nstock page / this page: {np.median(stock) / np.median(live):.0f}")
    print(f"over gRPC / in process: {np.median(served) / np.median(local):.2f}\n")
    print("| one answer of the page, milliseconds, nothing else going on | |")
    print("| --- | --- |")
    for part, milliseconds in parts.items():
        print(f"| {part} | {milliseconds:.2f} |")
    print(f"\nan idle page: {idle:.2%} of a core")
    print("\nover live connections:\n")
    print_pens(pens)
    print("\nthrough Gradio, where a live connection cannot be had:\n")
    print_pens(through_gradio)
    print()
    print_load(loads)


def learn() -> None:
    """The training, where its digits are."""
    peak = measure_peak()
    parts = measure_step()
    seconds = sum(taken for _, taken, _ in parts)
    print(f"\n| a training step of {BATCH} digits | milliseconds | GFLOP/s | of peak |")
    print("| --- | --- | --- | --- |")
    for name, taken, operations in parts:
        print(
            f"| {name} | {1000 * taken:.1f} | {operations / taken / 1e9:.0f} "
            f"| {operations / taken / peak:.0%} |"
        )
    operations = sum(operations for *_, operations in parts)
    print(
        f"| all | {1000 * seconds:.1f} | {operations / seconds / 1e9:.0f} "
        f"| {operations / seconds / peak:.0%} |"
    )
    print(f"\npeak (a matrix product): {peak / 1e9:.0f} GFLOP/s")
    if not FULL_MNIST.is_dir():
        print("no training is measured: name the folder with MNIST's IDX files, MNIST=DIR")
        return
    times = measure_training(load_mnist(FULL_MNIST))
    print("\n| training | seconds | of the tutorial's |")
    print("| --- | --- | --- |")
    for name, taken in (
        (f"the tutorial's {STEPS:,} steps, scaled up from some", times.tutorial),
        (f"sprint, at least {times.sprint_accuracy:.2%} on the test digits", times.sprint),
        ("release, scaled up from one epoch", times.release),
    ):
        print(f"| {name} | {taken:.0f} | 1/{times.tutorial / taken:.1f} |")


def _row(what: str, times: list[float]) -> None:
    median, high = np.percentile(times, [50, 95])
    print(f"| {what} | {median:.1f} | {high:.1f} | {len(times)} |")


if __name__ == "__main__":
    main()
