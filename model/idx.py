"""Reads IDX files, the format of MNIST: a short header and an array of unsigned bytes.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

UBYTE = 0x08


def read_idx(path: Path, rank: int) -> np.ndarray:
    """Reads a file, which may be compressed with gzip.

    Returns:
        uint8 with `rank` dimensions.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not an IDX file of this rank, or incomplete.
    """
    data = path.read_bytes()
    try:
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        zeros, kind, dims = struct.unpack(">HBB", data[:4])
        shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
        if (zeros, kind, dims) != (0, UBYTE, rank):
            raise ValueError("its first four bytes are wrong")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise ValueError(
            f"{path.name} in {path.parent} is not a complete IDX file of unsigned bytes of "
            f"rank {rank}: {error}."
        ) from error
