"""Weights -> versioned SavedModels for TensorFlow Serving.

python export.py [--weights model/released] [--out exported/mnist] [--spare-others]
"""

import argparse
import sys
from pathlib import Path

from model.export import export_versions, find_others
from model.weights import RELEASED, WeightsError, find_snapshots


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights", type=Path, default=RELEASED, help="folder of <step>.safetensors"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("exported/mnist"), help="base path of the versions"
    )
    parser.add_argument(
        "--spare-others",
        action="store_true",
        help="of an --out with versions of other weights than the released ones, leave those alone",
    )
    arguments = parser.parse_args()
    others = find_others(arguments.out) if arguments.spare_others else []
    try:
        snapshots = find_snapshots(arguments.weights)
        if others:
            print(
                f"{arguments.out} holds versions of other weights than the released ones "
                f"({', '.join(map(str, others))}), which stay as they are. "
                f"`python export.py --weights DIR --out {arguments.out}` makes them anew."
            )
            there = {int(path.name) for path in arguments.out.glob("[0-9]*")} - set(others)
            snapshots = {step: path for step, path in snapshots.items() if step in there}
        result = export_versions(snapshots, arguments.out, spared=others)
    except WeightsError as error:
        sys.exit(f"export.py: {error}")
    for what, steps in result._asdict().items():
        if steps:
            print(f"{what} in {arguments.out}: {', '.join(map(str, steps))}")
    if result.replaced:
        print("A server that runs keeps the versions it has loaded; start it again to see these.")


if __name__ == "__main__":
    main()
