"""The figures that the README quotes, each beside what it is compared with: `make bench`."""

import numpy as np

from model.export import export_versions
from model.weights import RELEASED, find_snapshots
from serving.client import Client
from serving.local import LocalServer
from tests.bench.pen import measure_pages
from tests.bench.predict import measure_predict
from tests.pages import ROOT


def main() -> None:
    base_path = ROOT / "exported" / "for-tests"
    snapshots = find_snapshots(RELEASED)
    export_versions(snapshots, base_path)
    with LocalServer(base_path) as server:
        live, stock = measure_pages(server)
        with Client(server.target) as client:
            served, local = measure_predict(client, base_path / str(max(snapshots)))
    print("| milliseconds | median | 95th percentile | measured |")
    print("| --- | --- | --- | --- |")
    _row("pointer event to all galleries painted", live)
    _row("the same from pen-up, stock gr.Sketchpad and four gr.Image", stock)
    _row("Predict of `sketch`, all outputs, client and embedded server", served)
    _row("the same signature of the same SavedModel, in process", local)
    print(f"\nstock page / this page: {np.median(stock) / np.median(live):.0f}")
    print(f"over gRPC / in process: {np.median(served) / np.median(local):.2f}")


def _row(what: str, times: list[float]) -> None:
    median, high = np.percentile(times, [50, 95])
    print(f"| {what} | {median:.1f} | {high:.1f} | {len(times)} |")


if __name__ == "__main__":
    main()
