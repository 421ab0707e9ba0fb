"""The learning curve in a description, which strangers may have written."""

import json

import pytest

from demo.training_record import MAX_POINTS, TrainingRecord, read_training

POINTS = [[1, 2.3, 0.1], [2, None, 0.4], [3, 1.9, None], [3, None, None]]


def test_curve_is_read_in_order_of_its_steps():
    fields = {"steps": 3, "version_offset": 2_000_000, "curve": POINTS[::-1]}
    record = read_training(json.loads(json.dumps(fields)))
    assert record == (2_000_000, ((1, 2.3, 0.1), (2, None, 0.4), (3, None, None), (3, 1.9, None)))


def test_long_curve_is_cut():
    curve = [[step, 1.0, None] for step in range(1, 3 * MAX_POINTS)]
    assert len(read_training({"version_offset": 0, "curve": curve}).curve) == MAX_POINTS


@pytest.mark.parametrize(
    "fields",
    [
        None,
        "by hand",
        [1, 2],
        {"steps": 5, "dataset": "cats"},
        {"version_offset": "1", "curve": []},
        {"version_offset": -1, "curve": []},
        {"version_offset": 2**60, "curve": []},
        {"version_offset": True, "curve": []},
        {"version_offset": 0, "curve": 7},
        {"version_offset": 0, "curve": {"1": 2}},
        {"version_offset": 0, "curve": [1]},
        {"version_offset": 0, "curve": [[1, 2]]},
        {"version_offset": 0, "curve": [["1", 2.0, 0.5]]},
        {"version_offset": 0, "curve": [[0, 2.0, 0.5]]},
        {"version_offset": 0, "curve": [[1, float("nan"), 0.5]]},
        {"version_offset": 0, "curve": [[1, float("inf"), 0.5]]},
        {"version_offset": 0, "curve": [[1, 10**400, 0.5]]},
        {"version_offset": 0, "curve": [[1, 2.0, 1.5]]},
        {"version_offset": 0, "curve": [[1, "2", 0.5]]},
        {"version_offset": 0, "curve": [[1, 2.0, [0.5]]]},
    ],
)
def test_what_cannot_be_read_is_unknown(fields):
    assert read_training(fields) == TrainingRecord()
