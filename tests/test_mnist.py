"""Reading MNIST and IDX files, and error messages for invalid ones."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from model.idx import read_idx
from model.mnist import MnistError, load_mnist

NAMES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def write_mnist(folder: Path, *arrays: np.ndarray, zipped: bool = False) -> None:
    for name, array in zip(NAMES, arrays):
        head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        data = head + array.astype(np.uint8).tobytes()
        suffix = ".gz" if zipped else ""
        (folder / f"{name}-ubyte{suffix}").write_bytes(gzip.compress(data) if zipped else data)


@pytest.fixture
def arrays() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    return tuple(rng.integers(0, 10, shape) for shape in ((7, 28, 28), 7, (3, 28, 28), 3))


@pytest.mark.parametrize("zipped", [False, True])
def test_files_are_read_as_written(tmp_path, arrays, zipped):
    write_mnist(tmp_path, *arrays, zipped=zipped)
    for read, written in zip(load_mnist(tmp_path), arrays):
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, written)


def test_missing_file_is_reported_with_a_remedy(tmp_path):
    with pytest.raises(MnistError, match=r"train-images-idx3-ubyte\.gz.*--data DIR"):
        load_mnist(tmp_path)


def test_truncated_file_is_rejected(tmp_path, arrays):
    write_mnist(tmp_path, *arrays)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MnistError, match=r"t10k-labels-idx1-ubyte.*not a complete IDX file"):
        load_mnist(tmp_path)


WHOLE = struct.pack(">HBB3I", 0, 8, 3, 2, 4, 5) + bytes(range(40))
BROKEN = {
    "nothing": b"",
    "half a head": WHOLE[:9],
    "cut off": WHOLE[:-1],
    "too long": WHOLE + b"a",
    "another type": WHOLE[:2] + b"\x0d" + WHOLE[3:],
    "another rank": struct.pack(">HBBI", 0, 8, 1, 40) + bytes(40),
    "another format": b"\x89PNG\r\n\x1a\n" + WHOLE,
    "wrong size": struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31),
}


def test_plain_and_compressed_files_are_read(tmp_path):
    for name, data in (("digits", WHOLE), ("digits.gz", gzip.compress(WHOLE))):
        (tmp_path / name).write_bytes(data)
        read = read_idx(tmp_path / name, rank=3)
        np.testing.assert_array_equal(read, np.arange(40, dtype=np.uint8).reshape(2, 4, 5))


@pytest.mark.parametrize("name", BROKEN)
def test_invalid_idx_file_is_reported(tmp_path, name):
    data = BROKEN[name]
    zipped = bytearray(gzip.compress(WHOLE))
    zipped[12] ^= 0xFF
    for name, content in {
        "digits": data,
        "digits.gz": gzip.compress(data),
        "plain.gz": data or b"a",
        "broken.gz": bytes(zipped),
        "half.gz": gzip.compress(WHOLE)[:20],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            ValueError, match=f"{name} in .* not a complete IDX file .* of rank 3: "
        ):
            read_idx(tmp_path / name, rank=3)


def test_images_that_do_not_match_the_labels_are_rejected(tmp_path, arrays):
    write_mnist(tmp_path, arrays[0], arrays[1][:-1], *arrays[2:])
    with pytest.raises(MnistError, match="one image for each label"):
        load_mnist(tmp_path)


def test_failed_download_is_reported_with_a_remedy(monkeypatch):
    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr("keras.datasets.mnist.load_data", fail)
    with pytest.raises(MnistError, match=r"downloading it failed.*--data DIR"):
        load_mnist()


def test_official_files_are_read(mnist):
    assert len(mnist.train_images) == 60_000
    assert np.bincount(mnist.test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
