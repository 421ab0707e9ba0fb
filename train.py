"""MNIST -> weights: trains the network and writes snapshots to a folder.

python train.py [--data DIR] [--out trained] [--recipe release] [--epochs N] [--validation N]
                [--seed N] [--seeds N]
"""

import argparse
import importlib.util
import sys
from pathlib import Path

from model.mnist import MnistError, load_mnist
from model.recipe import RECIPES


def main() -> None:
    arguments = parse_arguments()
    for package in ("tensorboard", "sklearn"):  # for curves, for calibration and test digits
        if importlib.util.find_spec(package) is None:
            sys.exit(f"train.py: {package} is not installed: run `make setup`.")
    try:
        mnist = load_mnist(arguments.data)
    except MnistError as error:
        sys.exit(f"train.py: {error}")
    recipe = RECIPES[arguments.recipe]
    epochs = arguments.epochs or recipe.epochs
    count = len(mnist.train_images) - arguments.validation
    if count < recipe.batch["mnist"]:
        sys.exit(
            f"train.py: --validation {arguments.validation} leaves {max(count, 0)} of "
            f"{len(mnist.train_images)} digits, but one step needs {recipe.batch['mnist']}."
        )
    # These import TensorFlow, which takes seconds; wrong arguments are reported before.
    from model.card import write_card
    from model.feature_visualization import write_features
    from model.report import report
    from model.training import train

    runs, reports = [], []
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        folder = arguments.out if not runs else arguments.out / f"seed-{seed}"
        run = train(
            (mnist.train_images, mnist.train_labels),
            folder,
            recipe,
            epochs=epochs,
            validation=arguments.validation,
            seed=seed,
        )
        runs.append(run)
        reports.append(report(run.final, mnist.test_images, mnist.test_labels))
        print(
            f"Seed {seed}: {run.steps} steps in {run.seconds:.0f} s. "
            f"Validation {run.validation_accuracy[-1]:.2%}, test {reports[-1].accuracy:.2%}."
        )
    flags = (
        f"--data DIR --recipe {arguments.recipe} --epochs {epochs:g} "
        f"--validation {arguments.validation} --seed {arguments.seed} --seeds {arguments.seeds}"
    )
    write_features(arguments.out)
    card = write_card(arguments.out, recipe, runs, reports, flags)
    print(
        f"Weights: {runs[0].final}; model card: {card}\n"
        f"Curves: tensorboard --logdir {arguments.out}\n"
        f"Next: python export.py --weights {arguments.out}"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of the four IDX files, gzipped or not; default: Keras's copy of MNIST, "
        "downloaded if necessary",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("trained"),
        metavar="DIR",
        help="folder for snapshots and logs",
    )
    parser.add_argument(
        "--recipe",
        choices=RECIPES,
        default="release",
        help="release: the most accurate network; sprint: a good network in one pass over MNIST",
    )
    parser.add_argument(
        "--epochs", type=float, metavar="N", help="passes over the digits; default: the recipe's"
    )
    parser.add_argument(
        "--validation",
        type=int,
        default=2000,
        metavar="N",
        help="training digits held out for validation and calibration",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="for all random numbers")
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="number of networks, with consecutive seeds",
    )
    arguments = parser.parse_args()
    if arguments.epochs is not None and not arguments.epochs > 0:
        parser.error("--epochs must be more than 0")
    for name in ("validation", "seeds"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    if any(arguments.out.glob("*.safetensors")):
        parser.error(f"{arguments.out} contains snapshots of another run: choose another --out")
    return arguments


if __name__ == "__main__":
    main()
