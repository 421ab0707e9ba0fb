"""MNIST -> weights: trains the network and leaves its snapshots in a folder.

python train.py [--data DIR] [--out trained] [--epochs N] [--batch N] [--validation N] [--seed N]
"""

import argparse
import importlib.util
import sys
from pathlib import Path

from model.card import write_card
from model.mnist import MnistError, load_mnist
from model.training import train


def main() -> None:
    arguments = parse_arguments()
    if importlib.util.find_spec("tensorboard") is None:
        sys.exit("train.py: TensorBoard, which it logs to, is not installed: run `make setup`.")
    try:
        digits = load_mnist(arguments.data)
    except MnistError as error:
        sys.exit(f"train.py: {error}")
    learned = len(digits.train_images) - arguments.validation
    if learned < arguments.batch:
        sys.exit(
            f"train.py: of {len(digits.train_images)} digits --validation {arguments.validation} "
            f"leaves {max(learned, 0)}, less than one --batch of {arguments.batch}."
        )
    run = train(
        digits,
        arguments.out,
        epochs=arguments.epochs,
        batch=arguments.batch,
        validation=arguments.validation,
        seed=arguments.seed,
    )
    card = write_card(arguments.out, run, vars(arguments))
    print(
        f"{run.steps} steps in {run.seconds:.0f} s. "
        + (f"Validation {run.validation_accuracy[-1]:.2%}, " if run.validation_accuracy else "")
        + f"test {run.test_accuracy:.2%}.\n"
        f"Weights: {run.final}; their card: {card}\n"
        f"Curves: tensorboard --logdir {arguments.out / 'logs'}\n"
        f"Next: python export.py --weights {arguments.out}"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with the four IDX files, gzipped or not; without it Keras's copy of MNIST, "
        "downloaded if need be",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("trained"), help="folder for snapshots and logs"
    )
    parser.add_argument("--epochs", type=int, default=20, help="passes over the digits")
    parser.add_argument("--batch", type=int, default=128, help="digits a step")
    parser.add_argument(
        "--validation",
        type=int,
        default=5000,
        help="training digits held out to watch; 0 trains on all of them",
    )
    parser.add_argument("--seed", type=int, default=1, help="of everything that is random")
    arguments = parser.parse_args()
    for name, least in (("epochs", 1), ("batch", 1), ("validation", 0)):
        if getattr(arguments, name) < least:
            parser.error(f"--{name} must be {least} or more")
    return arguments


if __name__ == "__main__":
    main()
