"""A run from the command line: starts a server and a page, reports in Markdown."""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from model.export import export_versions
from model.weights import RELEASED, find_snapshots
from serving.local import LocalServer
from tests.fuzz.generate import generate
from tests.fuzz.memory import pid_of
from tests.fuzz.request import Request
from tests.fuzz.run import Outcome, run
from tests.fuzz.send import Doors
from tests.pages import ROOT, run_page
from tests.questions import find_component

BASE_PATH = ROOT / "exported" / "for-tests"
KEPT = ROOT / "exported" / "fuzz"  # where requests go that break a promise


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", type=Path, metavar="FILE", help="send this request alone")
    arguments = parser.parse_args()
    export_versions(find_snapshots(RELEASED), BASE_PATH)
    with started() as (server, url):
        with Doors(server.target, server.rest_api_port, url) as doors:
            if arguments.replay:
                print(doors.send(Request.load(arguments.replay)))
                return
            requests = generate(arguments.requests, arguments.seed, BASE_PATH, find_component(url))
            pids = {"server": server.pid, "page": pid_of(int(url.rstrip("/").rpartition(":")[2]))}
            begun = time.monotonic()
            outcome = run(doors, requests, pids)
            seconds = time.monotonic() - begun
    print(f"\n`--requests {arguments.requests} --seed {arguments.seed}`, {seconds:.0f} s\n")
    report(outcome)
    if outcome.breaches:
        sys.exit(1)


@contextlib.contextmanager
def started() -> Iterator[tuple[LocalServer, str]]:
    """A server, and the address of a page on it."""
    with (
        LocalServer(BASE_PATH) as server,
        run_page(server.target, f"--rest-server=127.0.0.1:{server.rest_api_port}") as url,
    ):
        yield server, url


def report(outcome: Outcome) -> None:
    """Prints tables in Markdown, and keeps the requests that broke a promise."""
    print("| kind | requests | answers | slowest ms | late among others |")
    print("| --- | --- | --- | --- | --- |")
    for kind, tally in outcome.tallies.items():
        answers = ", ".join(f"{n:,} {status}" for status, n in tally.answers.most_common())
        slowest = 1000 * tally.slowest
        print(f"| {kind} | {tally.answers.total():,} | {answers} | {slowest:.0f} | {tally.late} |")
    print("\n| MB | idle | warm | most | after |")
    print("| --- | --- | --- | --- | --- |")
    for name, memory in outcome.memory.items():
        sizes = (memory.idle, memory.warm, memory.most, memory.after)
        print(f"| {name} | {' | '.join(str(size >> 20) for size in sizes)} |")
    print(f"\nPromises broken: {len(outcome.breaches)}")
    KEPT.mkdir(exist_ok=True)
    for number, breach in enumerate(outcome.breaches):
        place = ""
        if breach.request:
            breach.request.save(KEPT / str(number))
            place = f", {breach.request.kind}: {KEPT.relative_to(ROOT) / str(number)}"
        print(f"- {breach.what}{place}")


if __name__ == "__main__":
    main()
