"""Half a minute of the endurance test of `make soak`; and its checks detect planted faults."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from serving.local import find_free_port
from tests.line import Line
from tests.soak.campaign import MAX_GROWTH, WARM_UP, find_leaks, run
from tests.soak.outcomes import CLEAR_ERROR, CORRECT, FAILED, Outcomes
from tests.soak.report import report
from tests.soak.resources import (
    INTERVAL_SECONDS,
    MARKER,
    ResourceMonitor,
    Sample,
    find_leftovers,
)
from tests.test_local import wait_until

MINUTES, SEED = 0.3, 1
MIN_SAMPLES = 50  # of a process that does not leak
LOOP = "import time\nkept = []\nprint('started', flush=True)\nwhile True: time.sleep(0.02); "
LEAK_MEMORY = f"{LOOP} kept.append(b'x' * 2**20)"
LEAK_FILES = f"{LOOP} kept.append(open('/dev/null'))"


@pytest.mark.slow
def test_campaign_has_no_violations():
    result = run(MINUTES, SEED, has_browser=False)
    assert not result.violations, report(result)
    assert result.rounds > 0
    assert all(outcomes.counts[CORRECT] > 0 for outcomes in result.outcomes), report(result)
    assert "## Violations\n\nNone." in report(result)


@pytest.mark.parametrize(
    ("program", "leak"),
    [(LEAK_MEMORY, "MB per hour"), (LEAK_FILES, "more open files"), (LOOP, None)],
    ids=["memory", "files", "none"],
)
def test_leak_is_detected(program, leak):
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            with ResourceMonitor({"planted": lambda: process.pid}, seconds=0.05) as monitor:
                wait_until(
                    lambda: (
                        len(monitor.samples["planted"]) > (0 if leak else MIN_SAMPLES)
                        and _is_detected(monitor, leak)
                    )
                )
        finally:
            process.kill()


@pytest.mark.parametrize("mb_an_hour", [10, 100])
def test_slow_leak_is_distinguished_from_fluctuation(mb_an_hour):
    """One hour of a page whose memory fluctuates by 5 MB."""
    random = np.random.default_rng(1)
    monitor = ResourceMonitor({"page": os.getpid})
    monitor.samples["page"] = [
        Sample(time, 1, 700 + mb_an_hour * time / 3600 + random.normal(0, 5), 50, 20)
        for time in np.arange(0, 3600, INTERVAL_SECONDS)
    ]
    found = find_leaks("page", monitor.growth("page", WARM_UP))
    assert bool(found) == (mb_an_hour > MAX_GROWTH)


def _is_detected(monitor: ResourceMonitor, leak: str | None) -> bool:
    """Whether this leak is found; for None, whether no leak is found."""
    growth = monitor.samples["planted"] and monitor.growth("planted", warm_up=0.2)
    found = find_leaks("planted", growth) if growth else []
    return any(leak in sentence for sentence in found) if leak else not found


def test_leftovers_are_found(tmp_path: Path):
    port = find_free_port()
    assert find_leftovers("planted", [port], [tmp_path]) == []
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP], env={**os.environ, MARKER: "planted"}, start_new_session=True
    )
    try:
        wait_until(lambda: find_leftovers("planted", [], []))
        assert f"Process {process.pid}" in find_leftovers("planted", [], [])[0]
    finally:
        process.kill()
        process.wait()
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "behind").touch()
    with Line(f"127.0.0.1:{port}") as line:
        listening = int(line.target.split(":")[1])
        leftovers = find_leftovers("planted", [listening], [tmp_path])
    assert len(leftovers) == 3
    assert find_leftovers("planted", [listening], []) == []


def test_error_is_clear_only_if_it_is_a_sentence():
    outcomes = Outcomes("any client")
    for error in (None, "", "Internal Server Error", {"error": 1}, "NoneType"):
        outcomes.error(error)
    assert outcomes.counts[FAILED] == len(outcomes.failures) == 5
    outcomes.error("The model server is busy; try again in a moment.")
    assert outcomes.counts[CLEAR_ERROR] == 1
