"""Compares a server with the recorded answers of TensorFlow Serving.

python -m tests.golden prepare DIR
python -m tests.golden hold GRPC_HOST:PORT REST_HOST:PORT
"""

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from serving.client import Client, ServingError
from serving.defaults import BASE_PATH
from tests.golden.battery import Result, Verdict, hold_grpc, hold_rest

START_SECONDS = 60.0  # to wait until the server has loaded the model
MAX_SHOWN = 300  # characters printed of an answer


def main() -> None:
    arguments = parse_arguments()
    if arguments.command == "prepare":
        config = prepare(arguments.folder, copy_of(arguments.base_path))
        print(f"Next, start a server: python -m serving --model_config_file {config}")
        return
    try:
        with Client(arguments.grpc) as client:
            client.wait_until_ready(START_SECONDS)
    except ServingError as error:
        sys.exit(f"python -m tests.golden: {error}")
    counts = {
        "REST": show(hold_rest(arguments.rest)),
        "gRPC": show(hold_grpc(arguments.grpc)),
    }
    print("\n| | " + " | ".join(verdict.value for verdict in Verdict) + " |")
    print("| --- " * (len(Verdict) + 1) + "|")
    for protocol, count in counts.items():
        print(f"| {protocol} | " + " | ".join(str(count[verdict]) for verdict in Verdict) + " |")
    if any(count[Verdict.OTHER_CODE] for count in counts.values()):
        sys.exit("python -m tests.golden: some answers have a different code.")


def show(results: Iterable[Result]) -> Counter[Verdict]:
    """Prints the answers that differ and returns the number of answers by verdict."""
    count: Counter[Verdict] = Counter()
    for result in results:
        count[result.verdict] += 1
        if result.verdict is not Verdict.SAME:
            print(f"{result.name}: {result.verdict.value}")
            print(f"    recorded: {str(result.expected)[-MAX_SHOWN:]}")
            print(f"    received: {str(result.got)[-MAX_SHOWN:]}")
    return count


def copy_of(base_path: Path):
    """Returns a `make_version` for `prepare` that copies the first two exported versions."""
    exported = sorted(base_path.glob("[0-9]*"), key=lambda path: int(path.name))
    if len(exported) < 2:
        sys.exit(
            f"python -m tests.golden: {base_path} does not contain two versions: run "
            "`python export.py` first, or name another folder with --base-path."
        )
    return lambda version, path: shutil.copytree(exported[version - 1], path)


def prepare(folder: Path, make_version) -> Path:
    """Prepares a folder like the recorded server's: `mnist`, versions 1 and 2, `stable` on 1.

    Args:
        folder: receives `mnist/1`, `mnist/2` and the configuration; `mnist` is recreated.
        make_version: writes a SavedModel; called with its number and path.

    Returns:
        The path of the configuration file.
    """
    base_path = folder.resolve() / "mnist"
    shutil.rmtree(base_path, ignore_errors=True)
    for version in (1, 2):
        make_version(version, base_path / str(version))
    config = folder / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "mnist" base_path: "{base_path}" '
        'model_platform: "tensorflow" model_version_policy { all {} } '
        'version_labels { key: "stable" value: 1 } } }\n'
    )
    return config


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.golden", description=__doc__.splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare", help="create a folder for the server to serve")
    preparing.add_argument("folder", type=Path, metavar="DIR")
    preparing.add_argument(
        "--base-path", type=Path, default=Path(BASE_PATH), help="exported versions"
    )
    holding = commands.add_parser("hold", help="compare a running server with the recorded answers")
    holding.add_argument("grpc", metavar="GRPC_HOST:PORT")
    holding.add_argument("rest", metavar="REST_HOST:PORT")
    return parser.parse_args()


if __name__ == "__main__":
    main()
