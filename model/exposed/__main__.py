"""The process that exports a Keras file; `export.py --keras` starts it."""

import argparse
import hashlib
import resource
import sys
from importlib.metadata import version
from pathlib import Path

from model.exposed.arguments import add_keras_arguments, check_keras_arguments, keras_flags
from model.exposed.errors import ExposeError
from model.exposed.files import MARK_FILE, VERSION

MEMORY = Path("/proc/meminfo")
MIN_MEMORY = 2**30  # bytes; with less, Python and TensorFlow alone could not be had


def main() -> None:
    parser = argparse.ArgumentParser(prog="export.py")
    parser.add_argument("--out", type=Path, required=True)
    add_keras_arguments(parser)
    arguments = parser.parse_args()
    check_keras_arguments(parser, arguments)
    free = limit_memory()
    try:
        export(arguments)
    except (ExposeError, OSError) as error:
        sys.exit(f"export.py: {error}")
    except Exception as error:
        if not is_for_want_of_memory(error):
            raise
        sys.exit(
            f"export.py: {arguments.keras} needs more memory than the {free / 1e9:.1f} GB that are "
            "free here. Close other programs, or take a smaller model."
        )


def export(arguments: argparse.Namespace) -> None:
    """Exports the model, unless it is there already.

    Raises:
        ExposeError: it cannot be exposed.
    """
    mark = fingerprint(arguments)
    there = arguments.out / str(VERSION) / MARK_FILE
    if mark and there.exists() and there.read_text() == mark:
        print(f"kept in {arguments.out}: {VERSION}")
        return
    from model.exposed.export import expose  # TensorFlow takes seconds to be imported
    from model.exposed.keras_file import load_keras_file

    model = load_keras_file(arguments.keras, arguments.definitions, is_trusted=arguments.trust)
    description = expose(
        model,
        arguments.out,
        name=arguments.name,
        labels=read_labels(arguments.labels) if arguments.labels else (),
        pixels=arguments.pixels,
        kind=arguments.input,
        size=arguments.size,
        layers=arguments.layers.split(",") if arguments.layers else ("*",),
        mark=mark,
    )
    takes = description["input"]
    print(
        f"written in {arguments.out}: {VERSION}, {len(description['layers']) - 1} layers; it takes "
        f"a {takes['kind']}: {takes['preprocessing']}."
    )


def fingerprint(arguments: argparse.Namespace) -> str:
    """Of all that the export is made from; empty if a file cannot be read."""
    digest = hashlib.sha256(version("tensorflow").encode())
    digest.update("\n".join(keras_flags(arguments)).encode())
    code = sorted(Path(__file__).parent.parent.rglob("*.py"))
    files = [arguments.keras, arguments.labels, arguments.definitions, *code]
    try:
        for path in filter(None, files):
            digest.update(path.read_bytes())
    except OSError:
        return ""
    return digest.hexdigest()


def read_labels(path: Path) -> list[str]:
    """One a line.

    Raises:
        ExposeError: it cannot be read as text.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ExposeError(f"--labels {path} cannot be read as text: {error}") from error


def limit_memory() -> int:
    """Has allocations fail that the machine cannot serve, instead of the system ending something.

    Returns:
        How many bytes are free.
    """
    if not MEMORY.exists():
        return 0
    lines = dict(line.split(":") for line in MEMORY.read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = max(free, MIN_MEMORY)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    return free


def is_for_want_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says so; TensorFlow's is told by its name."""
    while error:
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            return True
        if "Unable to allocate" in str(error) or "OOM when allocating" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    main()
