"""The command line: starts a server and a page, fuzzes them, and reports in Markdown."""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from model.export import export_versions
from model.weights import RELEASED, find_snapshots
from tests.forked import ForkedServer, find_pid
from tests.fuzz.generate import generate
from tests.fuzz.request import Request
from tests.fuzz.run import Result, run
from tests.fuzz.send import Sender
from tests.pages import ROOT, run_page
from tests.questions import find_component

BASE_PATH = ROOT / "exported" / "for-tests"
VIOLATIONS = ROOT / "exported" / "fuzz"  # folder of the requests that violate an invariant


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", type=Path, metavar="FILE", help="send only this request")
    arguments = parser.parse_args()
    export_versions(find_snapshots(RELEASED), BASE_PATH)
    with start() as (server, url):
        with Sender(server.target, server.rest_api_port, url) as sender:
            if arguments.replay:
                print(sender.send(Request.load(arguments.replay)))
                return
            requests = generate(arguments.requests, arguments.seed, BASE_PATH, find_component(url))
            pids = {"server": server.pid, "page": find_pid(int(url.rstrip("/").rpartition(":")[2]))}
            began = time.monotonic()
            result = run(sender, requests, pids)
            seconds = time.monotonic() - began
    print(f"\n`--requests {arguments.requests} --seed {arguments.seed}`, {seconds:.0f} s\n")
    report(result)
    if result.violations:
        sys.exit(1)


@contextlib.contextmanager
def start() -> Iterator[tuple[ForkedServer, str]]:
    """Starts a server and a page, and yields the server and the page's address."""
    with (
        ForkedServer(BASE_PATH) as server,
        run_page(server.target, f"--rest-server=127.0.0.1:{server.rest_api_port}") as url,
    ):
        yield server, url


def report(result: Result) -> None:
    """Prints Markdown tables, and saves the requests that violate an invariant."""
    print("| kind | requests | responses | slowest ms | late under load |")
    print("| --- | --- | --- | --- | --- |")
    for kind, summary in result.summaries.items():
        statuses = ", ".join(f"{n:,} {status}" for status, n in summary.statuses.most_common())
        slowest = 1000 * summary.slowest
        print(
            f"| {kind} | {summary.statuses.total():,} | {statuses} | {slowest:.0f} "
            f"| {summary.late} |"
        )
    print("\n| memory, MB | idle | after warm-up | maximum | at the end |")
    print("| --- | --- | --- | --- | --- |")
    for name, memory in result.memory.items():
        sizes = (memory.idle, memory.warm, memory.maximum, memory.current)
        print(f"| {name} | {' | '.join(str(size >> 20) for size in sizes)} |")
    print(f"\nViolations: {len(result.violations)}")
    VIOLATIONS.mkdir(exist_ok=True)
    for number, violation in enumerate(result.violations):
        source = ""
        if violation.request:
            violation.request.save(VIOLATIONS / str(number))
            source = f", {violation.request.kind}: {VIOLATIONS.relative_to(ROOT) / str(number)}"
        print(f"- {violation.description}{source}")


if __name__ == "__main__":
    main()
