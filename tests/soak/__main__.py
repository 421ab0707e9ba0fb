"""Endurance test with fault injection: reports everything that was lost.

python -m tests.soak [--minutes 60] [--seed 1]
"""

import argparse
import signal
import sys

from tests.soak.campaign import run
from tests.soak.report import report


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1, help="of the kind and time of the faults")
    parser.add_argument("--no-browser", action="store_true", help="run without a real browser")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything is cleaned up
    result = run(arguments.minutes, arguments.seed, has_browser=not arguments.no_browser)
    print(report(result))
    sys.exit(bool(result.violations))


if __name__ == "__main__":
    main()
