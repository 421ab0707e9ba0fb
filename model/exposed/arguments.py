"""Flags about a Keras model of your own, for all commands that take one."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path


def add_keras_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--keras` and all that goes with it."""
    group = parser.add_argument_group("a Keras model of your own (docs/your-own-network.md)")
    group.add_argument("--keras", type=Path, metavar="FILE", help="a .keras or legacy .h5 file")
    group.add_argument("--name", help="that it is served under; by default the file's")
    group.add_argument(
        "--labels", type=Path, metavar="FILE", help="the names of its classes, one a line"
    )
    group.add_argument(
        "--pixels",
        type=_parse_pixels,
        metavar="LOW..HIGH",
        help="what it takes for black and white: 0..255 by default; for a drawing's paper and ink: "
        "0..1 by default",
    )
    group.add_argument(
        "--size",
        type=_parse_size,
        metavar="HEIGHTxWIDTH",
        help="of the pictures, for a model that takes any size",
    )
    group.add_argument(
        "--input",
        choices=("drawing", "picture"),
        help="what it reads; by default drawings if it takes at most 64x64 pixels of one channel",
    )
    group.add_argument(
        "--layers",
        metavar="PATTERNS",
        help="names of the layers to expose, with * for anything and commas between: 'block1*,fc*'",
    )
    group.add_argument(
        "--import",
        dest="definitions",
        type=Path,
        metavar="FILE.py",
        help="a Python file, which is run, with the model's custom layers and functions",
    )
    group.add_argument(
        "--trust", action="store_true", help="let code in the file itself run (Lambda layers)"
    )


def check_keras_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, others: Sequence[str] = ()
) -> None:
    """Refuses flags about a model where there is none, but for some `others`."""
    given = [name for name in _values(arguments) if name not in ("keras", *others)]
    if given and not arguments.keras:
        parser.error(f"--{given[0]} is about a Keras model: name it with --keras FILE")
    if arguments.keras:
        arguments.name = arguments.name or name_of(arguments.keras)


def keras_flags(arguments: argparse.Namespace) -> list[str]:
    """The same flags for another command."""
    return [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in _values(arguments).items()
    ]


def name_of(file: Path) -> str:
    """The name that a model is served under if nobody gives it one."""
    return re.sub(r"[^\w.-]+", "_", file.stem) or "model"


def _values(arguments: argparse.Namespace) -> dict[str, object]:
    """Those that are given, as they are written."""
    values = {
        "keras": arguments.keras,
        "name": arguments.name,
        "labels": arguments.labels,
        "pixels": arguments.pixels and "{:g}..{:g}".format(*arguments.pixels),
        "size": arguments.size and "{}x{}".format(*arguments.size),
        "input": arguments.input,
        "layers": arguments.layers,
        "import": arguments.definitions,
        "trust": arguments.trust,
    }
    return {name: value for name, value in values.items() if value}


def _parse_pixels(text: str) -> tuple[float, float]:
    low, dots, high = text.partition("..")
    try:
        pixels = float(low), float(high)
    except ValueError:
        dots = ""
    if not dots or pixels[0] == pixels[1]:
        raise argparse.ArgumentTypeError("expected two numbers, as 0..1, or --pixels=-1..1")
    return pixels


def _parse_size(text: str) -> tuple[int, int]:
    if not re.fullmatch(r"[1-9][0-9]{0,3}x[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError("expected HEIGHTxWIDTH in pixels, as 224x224")
    height, width = map(int, text.split("x"))
    return height, width
