"""Exports a Keras file; `export.py --keras` runs this in a separate process."""

import argparse
import hashlib
import resource
import sys
from importlib.metadata import version
from pathlib import Path

from model.exposed.arguments import add_keras_arguments, check_keras_arguments, keras_flags
from model.exposed.errors import ExposeError
from model.exposed.files import FINGERPRINT_FILE, VERSION

MEMORY = Path("/proc/meminfo")
MIN_MEMORY = 2**30  # bytes, needed by Python and TensorFlow alone


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
        if not is_out_of_memory(error):
            raise
        sys.exit(
            f"export.py: {arguments.keras} needs more memory than the {free / 1e9:.1f} GB that are "
            "free here. Close other programs, or expose fewer layers with --layers."
        )


def export(arguments: argparse.Namespace) -> None:
    """Exports the model, unless the export is up to date.

    Raises:
        ExposeError: the model cannot be exposed.
        OSError: the folder cannot be written.
    """
    current = fingerprint(arguments)
    exported = arguments.out / str(VERSION) / FINGERPRINT_FILE
    if current and exported.exists() and exported.read_text() == current:
        print(f"kept in {arguments.out}: {VERSION}")
        return
    from model.exposed.export import expose  # imports TensorFlow, which takes seconds
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
        fingerprint=current,
    )
    kind, preprocessing = (description["input"][field] for field in ("kind", "preprocessing"))
    print(
        f"written in {arguments.out}: {VERSION}, {len(description['layers']) - 1} layers; input: "
        f"a {kind}, {preprocessing}."
    )


def fingerprint(arguments: argparse.Namespace) -> str:
    """Returns a hash of everything the export depends on; empty if a file cannot be read."""
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
    """Reads labels, one per line.

    Raises:
        ExposeError: the file cannot be read as text.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ExposeError(f"--labels {path} cannot be read as text: {error}") from error


def limit_memory() -> int:
    """Limits this process to the free memory, so that allocations fail before the system kills it.

    Returns:
        The free memory in bytes; 0 if unknown.
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


def is_out_of_memory(error: BaseException | None) -> bool:
    """Returns whether an error or its cause is a lack of memory; does not import TensorFlow."""
    while error:
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            return True
        if "Unable to allocate" in str(error) or "OOM when allocating" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    main()
