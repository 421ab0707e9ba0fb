"""Flags for a Keras model, shared by all commands that accept one."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path


def add_keras_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--keras` and the flags that describe the model."""
    group = parser.add_argument_group("your own Keras model (docs/your-own-network.md)")
    group.add_argument("--keras", type=Path, metavar="FILE", help="a .keras or legacy .h5 file")
    group.add_argument(
        "--name", help="name under which the model is served; default: the file's name"
    )
    group.add_argument("--labels", type=Path, metavar="FILE", help="class names, one per line")
    group.add_argument(
        "--pixels",
        type=_parse_pixels,
        metavar="LOW..HIGH",
        help="input values for black and white (default: 0..255), or for a drawing's paper and ink "
        "(default: 0..1)",
    )
    group.add_argument(
        "--size",
        type=_parse_size,
        metavar="HEIGHTxWIDTH",
        help="size of the pictures, for a model that accepts any size",
    )
    group.add_argument(
        "--input",
        choices=("drawing", "picture"),
        help="kind of input; default: drawing up to 64x64 pixels with one channel, else picture",
    )
    group.add_argument(
        "--layers",
        metavar="PATTERNS",
        help="layers to expose, as name patterns separated by commas: 'block1*,fc*'; default: all",
    )
    group.add_argument(
        "--import",
        dest="definitions",
        type=Path,
        metavar="FILE.py",
        help="Python file with the model's custom layers and functions; it is executed",
    )
    group.add_argument(
        "--trust", action="store_true", help="run code stored in the model file (Lambda layers)"
    )


def check_keras_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, others: Sequence[str] = ()
) -> None:
    """Rejects model flags without `--keras`, except `others`; sets the default name."""
    given = [name for name in _values(arguments) if name not in ("keras", *others)]
    if given and not arguments.keras:
        parser.error(f"--{given[0]} is about a Keras model: name it with --keras FILE")
    if arguments.keras:
        arguments.name = arguments.name or name_of(arguments.keras)


def keras_flags(arguments: argparse.Namespace) -> list[str]:
    """Returns the flags as command-line arguments."""
    return [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in _values(arguments).items()
    ]


def name_of(file: Path) -> str:
    """Returns the default name under which a model file is served."""
    return re.sub(r"[^\w.-]+", "_", file.stem) or "model"


def _values(arguments: argparse.Namespace) -> dict[str, object]:
    """Returns the flags that were given, formatted as on the command line."""
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
        raise argparse.ArgumentTypeError(
            "expected two numbers, as 0..1, or --pixels=-1..1 if negative"
        )
    return pixels


def _parse_size(text: str) -> tuple[int, int]:
    if not re.fullmatch(r"[1-9][0-9]{0,3}x[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError("expected HEIGHTxWIDTH in pixels, as 224x224")
    height, width = map(int, text.split("x"))
    return height, width
