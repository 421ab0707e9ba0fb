"""Snapshots on disk."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model.network import build_network
from model.weights import RELEASED, WeightsError, find_snapshots, load_snapshot, save_snapshot


def test_snapshot_is_loaded_as_saved(tmp_path):
    network, other = build_network(), build_network()
    path = save_snapshot(network, tmp_path, 7, temperature=0.5)
    assert load_snapshot(other, path) == 0.5
    for saved, loaded in zip(network.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(saved.astype(np.float16).astype(np.float32), loaded)


def test_snapshot_of_another_network_is_rejected(tmp_path):
    path = save_snapshot(build_network(), tmp_path, 7)
    weights = load_file(path)
    weights["h_conv1.kernel"] = weights["h_conv1.kernel"][:3]
    save_file(weights, path)
    with pytest.raises(WeightsError, match="does not fit the network"):
        load_snapshot(build_network(), path)


def test_broken_file_is_rejected(tmp_path):
    path = tmp_path / "7.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(WeightsError, match=r"7\.safetensors cannot be read"):
        load_snapshot(build_network(), path)


def test_folder_without_snapshots_is_rejected(tmp_path):
    with pytest.raises(WeightsError, match=r"python train\.py"):
        find_snapshots(tmp_path)


def test_snapshots_are_sorted_by_step(tmp_path):
    for step in (1000, 2, 10):
        (tmp_path / f"{step}.safetensors").touch()
    assert list(find_snapshots(tmp_path)) == [2, 10, 1000]


def test_released_files_are_small_and_float16():
    snapshots = find_snapshots(RELEASED)
    assert 4 <= len(snapshots) <= 6
    for path in snapshots.values():
        assert path.stat().st_size < 10_000_000
        weights = load_file(path)
        assert 0.05 < weights.pop("temperature") < 5
        assert {array.dtype for array in weights.values()} == {np.dtype(np.float16)}
    assert (RELEASED / "README.md").exists()
