"""Weights or a Keras model -> versioned SavedModels for TensorFlow Serving.

python export.py [--weights model/released] [--out exported/mnist] [--spare-others]
python export.py --keras FILE [--name NAME] [--labels FILE] [--pixels=LOW..HIGH] …
"""

import argparse
import sys
from pathlib import Path

from model.export import export_versions, find_others
from model.exposed.arguments import add_keras_arguments, check_keras_arguments, keras_flags
from model.exposed.command import export_keras_file
from model.weights import RELEASED, WeightsError, find_snapshots

EXPORTED = Path("exported")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights",
        type=Path,
        default=RELEASED,
        metavar="DIR",
        help="folder of <step>.safetensors files; default: the released weights",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the versions; default: exported/<name>",
    )
    parser.add_argument(
        "--spare-others",
        action="store_true",
        help="leave versions of other weights than the released ones in --out unchanged",
    )
    add_keras_arguments(parser)
    arguments = parser.parse_args()
    check_keras_arguments(parser, arguments)
    out = arguments.out or EXPORTED / (arguments.name or "mnist")
    if arguments.keras:
        sys.exit(export_keras_file(keras_flags(arguments), out))
    export_snapshots(arguments.weights, out, arguments.spare_others)


def export_snapshots(weights: Path, out: Path, spare_others: bool) -> None:
    """Exports MNIST's network at each of its training steps."""
    others = find_others(out) if spare_others else []
    try:
        snapshots = find_snapshots(weights)
        if others:
            print(
                f"{out} holds versions of other weights than the released ones "
                f"({', '.join(map(str, others))}), which are not changed. "
                f"`python export.py --weights DIR --out {out}` exports them again."
            )
            released = {int(path.name) for path in out.glob("[0-9]*")} - set(others)
            snapshots = {step: path for step, path in snapshots.items() if step in released}
        result = export_versions(snapshots, out, spared=others)
    except WeightsError as error:
        sys.exit(f"export.py: {error}")
    for action, steps in result._asdict().items():
        if steps:
            print(f"{action} in {out}: {', '.join(map(str, steps))}")
    if result.replaced:
        print("A running server keeps the versions it has loaded; restart it to load these.")


if __name__ == "__main__":
    main()
