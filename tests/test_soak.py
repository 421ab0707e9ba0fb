"""Half a minute of the campaign of `make soak`, and whether its watch catches what is planted."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from serving.local import find_free_port
from tests.line import Line
from tests.soak.campaign import MAX_GROWTH, WARM_UP, complaints, run
from tests.soak.report import report
from tests.soak.tally import CLEAR, RIGHT, WRONG, Tally
from tests.soak.watch import MARK, SECONDS, Look, Watch, find_left
from tests.test_local import wait_until

MINUTES, SEED = 0.3, 1
LOOKS = 50  # at what does not grow
START = "import time\nkept = []\nprint('started', flush=True)\nwhile True: time.sleep(0.02); "
GROW = f"{START} kept.append(b'x' * 2**20)"
OPEN = f"{START} kept.append(open('/dev/null'))"


def test_nothing_is_lost():
    result = run(MINUTES, SEED, has_browser=False)
    assert not result.lost, report(result)
    assert result.rounds > 0
    assert all(tally.counts[RIGHT] > 0 for tally in result.tallies), report(result)
    assert "## Lost\n\nNothing." in report(result)


@pytest.mark.parametrize(
    ("program", "complaint"),
    [(GROW, "MB an hour"), (OPEN, "more files open"), (START, None)],
    ids=["memory", "files", "nothing"],
)
def test_a_process_that_grows_is_caught(program, complaint):
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            with Watch({"planted": lambda: process.pid}, seconds=0.05) as watch:
                wait_until(
                    lambda: (
                        len(watch.looks["planted"]) > (0 if complaint else LOOKS)
                        and _is_caught(watch, complaint)
                    )
                )
        finally:
            process.kill()


@pytest.mark.parametrize("mb_an_hour", [10, 100])
def test_a_slow_leak_is_told_from_ups_and_downs(mb_an_hour):
    """In an hour of a page whose memory goes up and down by 5 MB."""
    chance = np.random.default_rng(1)
    watch = Watch({"page": os.getpid})
    watch.looks["page"] = [
        Look(at, 1, 700 + mb_an_hour * at / 3600 + chance.normal(0, 5), 50, 20)
        for at in np.arange(0, 3600, SECONDS)
    ]
    found = complaints("page", watch.growth("page", WARM_UP))
    assert bool(found) == (mb_an_hour > MAX_GROWTH)


def _is_caught(watch: Watch, complaint: str | None) -> bool:
    """Whether there is such a complaint, or none at all."""
    growth = watch.looks["planted"] and watch.growth("planted", warm_up=0.2)
    found = complaints("planted", growth) if growth else []
    return any(complaint in one for one in found) if complaint else not found


def test_what_is_left_is_caught(tmp_path: Path):
    port = find_free_port()
    assert find_left("planted", [port], [tmp_path]) == []
    process = subprocess.Popen(
        [sys.executable, "-c", START], env={**os.environ, MARK: "planted"}, start_new_session=True
    )
    try:
        wait_until(lambda: find_left("planted", [], []))
        assert f"The process {process.pid}" in find_left("planted", [], [])[0]
    finally:
        process.kill()
        process.wait()
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "behind").touch()
    with Line(f"127.0.0.1:{port}") as line:
        listening = int(line.target.split(":")[1])
        left = find_left("planted", [listening], [tmp_path])
    assert len(left) == 3
    assert find_left("planted", [listening], []) == []


def test_an_error_is_clear_only_if_it_is_a_sentence():
    tally = Tally("somebody")
    for error in (None, "", "Internal Server Error", {"error": 1}, "NoneType"):
        tally.error(error)
    assert tally.counts[WRONG] == len(tally.wrong) == 5
    tally.error("The model server is busy; try again in a moment.")
    assert tally.counts[CLEAR] == 1
