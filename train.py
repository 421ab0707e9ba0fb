"""MNIST -> weights: trains the network and writes snapshots to a folder.

python train.py [--data DIR] [--out trained] [--recipe release] [--epochs N] [--validation N]
                [--seed N] [--seeds N] [--live [DIR]] [--keep N]
"""

import argparse
import importlib.util
import sys
from pathlib import Path

from model.live_run import LiveRun, reserve_run, snapshots_of
from model.mnist import MnistError, load_mnist
from model.recipe import RECIPES

SNAPSHOTS = Path("trained")
EXPORTED = Path("exported/mnist")


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
    live = None
    if arguments.live:
        number = reserve_run(arguments.live, SNAPSHOTS)
        arguments.out = arguments.out or snapshots_of(number, SNAPSHOTS)
        live = LiveRun(arguments.live, number, arguments.keep)
        print(f"Run {number} exports its versions to {arguments.live}: keep the page open.")
    arguments.out = arguments.out or SNAPSHOTS
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
            live=live,
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
    next_step = (
        "The page shows this run; `python export.py` brings the released network back."
        if live
        else f"Next: python export.py --weights {arguments.out}"
    )
    print(
        f"Weights: {runs[0].final}; model card: {card}\n"
        f"Curves: tensorboard --logdir {arguments.out}\n"
        f"{next_step}"
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
        metavar="DIR",
        help=f"folder for snapshots and logs; default: {SNAPSHOTS}, with --live {SNAPSHOTS}/live-N",
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
    parser.add_argument(
        "--live",
        type=Path,
        nargs="?",
        const=EXPORTED,
        metavar="DIR",
        help="export versions at steps 1, 2, 5, 10, 20, 50, … while training, to a folder that a "
        f"server watches; default: {EXPORTED}. They replace versions of earlier --live runs",
    )
    parser.add_argument(
        "--keep",
        type=int,
        metavar="N",
        help="with --live: keep only the newest N versions of the run; default: all",
    )
    arguments = parser.parse_args()
    if arguments.epochs is not None and not arguments.epochs > 0:
        parser.error("--epochs must be more than 0")
    for name in ("validation", "seeds", "keep"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            parser.error(f"--{name} must be 1 or more")
    if arguments.live and arguments.seeds > 1:
        parser.error("--live shows one network: leave out --seeds")
    if arguments.keep and not arguments.live:
        parser.error("--keep counts the versions of --live: add --live")
    out = arguments.out or (None if arguments.live else SNAPSHOTS)
    if out and any(out.glob("*.safetensors")):
        parser.error(f"{out} contains snapshots of another run: choose another --out")
    return arguments


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ntrain.py: interrupted. The versions and snapshots written so far are complete.")
    except OSError as error:  # such as a full disk
        sys.exit(f"train.py: the training has stopped: {error}")
