"""Models that cannot be exposed: a one-sentence error, and no change to existing files."""

import errno
import json
import os
import resource
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from model.exposed import __main__ as command
from model.exposed.errors import ExposeError
from model.exposed.export import expose
from model.exposed.files import FINGERPRINT_FILE
from model.exposed.keras_file import load_keras_file
from serving.embedded.servable import Servable
from tests.exposed_zoo import SUBCLASSED
from tests.pages import ROOT

pytestmark = pytest.mark.slow
LITTLE = 3 * 2**30  # bytes, enough for TensorFlow but not for a large model


def small(*shape: int, **end: object) -> keras.Model:
    image = keras.Input(shape or (8, 8, 1), name="image")
    return keras.Model(image, layers.Dense(3, name="logits", **end)(layers.Flatten()(image)))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.fixture
def kept(tmp_path) -> Iterator[Path]:
    """A folder with a version that must not change during the test."""
    folder = tmp_path / "out"
    (folder / "1" / FINGERPRINT_FILE).parent.mkdir(parents=True)
    (folder / "1" / FINGERPRINT_FILE).write_text("outdated")
    (folder / "1" / "saved_model.pb").write_bytes(bytes(range(256)))
    before = contents(folder)
    yield folder
    assert contents(folder) == before  # also without unfinished-*


@pytest.fixture
def error_of(monkeypatch) -> Callable[..., str]:
    """Runs the command in this process, which is faster, and returns its error message."""

    def error_of(*flags: object) -> str:
        monkeypatch.setattr(command, "limit_memory", lambda: 2**33)
        monkeypatch.setattr(sys, "argv", ["export.py", *map(str, flags)])
        with pytest.raises(SystemExit) as exit:
            command.main()
        [sentence] = str(exit.value.code).splitlines()
        return sentence.removeprefix("export.py: ")

    return error_of


def returns_words() -> keras.Model:

    image = keras.Input((4, 4, 1), name="image")
    names = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    return keras.Model(image, names(ops.cast(layers.Flatten()(image), "int64")))


def two_inputs() -> keras.Model:
    first, second = (keras.Input((8, 8, 1), name=name) for name in ("first", "second"))
    return keras.Model([first, second], layers.Flatten()(first + second))


def returns_booleans() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    return keras.Model(image, ops.greater(layers.Conv2D(2, 3)(image), 0.0))


def passes_through() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    return keras.Model(image, layers.Flatten()(layers.Dropout(0.5)(image)))


REJECTED = {
    "two inputs": (two_inputs, {}, "takes 2 inputs, first, second"),
    "numbers": (lambda: small(10), {}, r"takes \[10\], which is not a picture"),
    "two channels": (lambda: small(8, 8, 2), {}, r"takes \[8, 8, 2\], which is not a picture"),
    "video": (lambda: small(4, 8, 8, 3), {}, r"takes \[4, 8, 8, 3\], which is not a picture"),
    "never called": (lambda: keras.Sequential([layers.Dense(2)]), {}, "before it was ever called"),
    "labels": (small, {"labels": ["a", "b"]}, "There are 2 labels, but the model has 3 classes"),
    "labels without classes": (
        lambda: keras.Model(i := keras.Input((8, 8, 1)), layers.Conv2D(2, 3)(i)),
        {"labels": ["a"]},
        "There are 1 labels, but the model has no classes",
    ),
    "another size": (small, {"size": (9, 8)}, r"--size 9x8 does not fit: .*\[8, 8, 1\]"),
    "no size": (
        lambda: keras.Model(i := keras.Input((None, None, 3)), layers.Conv2D(2, 3)(i)),
        {},
        r"any size, \[any, any, 3\]: choose one with --size",
    ),
    "size too small": (
        lambda: keras.Model(i := keras.Input((None, None, 3)), layers.Conv2D(2, 9)(i)),
        {"size": (8, 8)},
        r"cannot be called with \(None, 8, 8, 3\): ",
    ),
    "drawing in colour": (
        lambda: small(8, 8, 3),
        {"kind": "drawing"},
        r"with one channel, but the model takes \[8, 8, 3\]",
    ),
    "words": (returns_words, {}, "a tensor of type string; expected are numbers"),
    "booleans": (returns_booleans, {}, "a tensor of type bool; expected are numbers"),
    "unknown layer": (small, {"layers": ["conv*"]}, r"No layer fits --layers conv\*.*logits"),
    "no layers": (passes_through, {}, "No layer has activations"),
    "name with a slash": (small, {"name": "my/model"}, "'my/model' cannot be a model's name"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_unsuitable_model_is_rejected_with_a_sentence(kept, name):
    build, options, sentence = REJECTED[name]
    with pytest.raises(ExposeError, match=sentence) as rejected:
        expose(build(), kept, **options)
    assert "\n" not in str(rejected.value)


def test_folder_with_another_model_does_not_change(tmp_path):
    other = tmp_path / "mnist" / "7254"
    other.mkdir(parents=True)
    (other / "saved_model.pb").write_bytes(b"another")
    with pytest.raises(ExposeError, match=r"mnist holds another model, in 7254/"):
        expose(small(), tmp_path / "mnist")
    assert contents(tmp_path / "mnist") == {"7254": b"", "7254/saved_model.pb": b"another"}


FULL = "{{function_node a}} x/variables.index; No space left on device [Op:MergeV2Checkpoints]"


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("tensorflow.saved_model.save", tf.errors.ResourceExhaustedError(None, None, FULL)),
        ("model.exposed.export.write_requests", OSError(errno.ENOSPC, "No space left on device")),
    ],
)
def test_full_disk_is_reported_in_any_step(kept, tmp_path, monkeypatch, error_of, step, error):
    """The first error has TensorFlow's exact message."""
    small().save(tmp_path / "small.keras")

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(step, fail)
    error_message = error_of(f"--keras={tmp_path / 'small.keras'}", f"--out={kept}")
    assert error_message.endswith("No space left on device")
    assert "memory" not in error_message


def test_lack_of_memory_is_reported(kept, tmp_path, monkeypatch, error_of):
    small().save(tmp_path / "small.keras")

    def fail(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape")

    monkeypatch.setattr("tensorflow.saved_model.save", fail)
    error_message = error_of(f"--keras={tmp_path / 'small.keras'}", f"--out={kept}")
    assert "needs more memory than the 8.6 GB that are free here" in error_message


def test_output_folder_that_is_a_file_is_reported(tmp_path, error_of):
    small().save(tmp_path / "small.keras")
    (tmp_path / "out").write_text("a file")
    error_message = error_of(f"--keras={tmp_path / 'small.keras'}", f"--out={tmp_path / 'out'}")
    assert error_message.startswith(f"{tmp_path / 'out'} cannot be written: ")
    assert (tmp_path / "out").read_text() == "a file"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("text.keras", b"Not a model.", "is not a Keras model"),
        ("text.h5", b"Not a model.", "is not a Keras model"),
        ("empty.keras", b"", "or it is cut off"),
        ("model.pt", b"weights", "expected one of .keras, .h5, .hdf5"),
        ("missing.keras", None, "There is no file"),
    ],
)
def test_file_without_a_model_is_rejected(kept, tmp_path, error_of, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    error_message = error_of(f"--keras={tmp_path / name}", f"--out={kept}")
    assert str(tmp_path / name) in error_message
    assert sentence in error_message


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_truncated_file_is_rejected(kept, tmp_path, error_of, suffix):
    whole = tmp_path / f"whole{suffix}"
    small(32, 32, 3).save(whole)
    content = whole.read_bytes()
    for kept_bytes in (len(content) // 2, len(content) - 9):
        path = tmp_path / f"cut{suffix}"
        path.write_bytes(content[:kept_bytes])
        assert f"{path} " in error_of(f"--keras={path}", f"--out={kept}")


def edited(source: Path, target: Path, edit: Callable[[str], str]) -> Path:
    """Writes a .keras file with a changed config.json."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, edit(content.decode()) if name == "config.json" else content)
    return target


def test_file_with_weights_of_another_model_is_rejected(kept, tmp_path, error_of):
    small().save(tmp_path / "small.keras")
    path = edited(
        tmp_path / "small.keras",
        tmp_path / "other.keras",
        lambda config: config.replace('"units": 3', '"units": 4'),
    )
    error_message = error_of(f"--keras={path}", f"--out={kept}")
    assert f"{path} cannot be loaded as a Keras model" in error_message


def test_code_in_the_file_runs_only_if_it_is_trusted(kept, tmp_path, error_of):
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Lambda(lambda x: x * 2, output_shape=(8, 8, 1), name="twice")(image)
    path = tmp_path / "lambda.keras"
    keras.Model(image, layers.Dense(2)(layers.Flatten()(x))).save(path)
    error_message = error_of(f"--keras={path}", f"--out={kept}")
    assert error_message.startswith(f"{path} has a Lambda layer")
    assert "--trust" in error_message
    model = load_keras_file(path, is_trusted=True)
    np.testing.assert_array_equal(model.get_layer("twice")(np.ones((1, 8, 8, 1))), 2)


def test_unknown_class_is_reported_with_a_remedy(kept, tmp_path, error_of):
    code, path = tmp_path / "mine.py", tmp_path / "mine.keras"
    register = '@keras.saving.register_keras_serializable("zoo")\n'
    code.write_text(SUBCLASSED.replace(register, "").replace("Subclassed", "Mine"))
    model = runpy.run_path(str(code), run_name="mine")["Mine"]()
    model(np.zeros((1, 12, 10, 3), np.float32))
    model.save(path)
    error_message = error_of(f"--keras={path}", f"--out={kept}")
    assert error_message == (
        f"{path} uses Mine, which is not one of Keras's own. Name the Python file that "
        "defines it with --import FILE.py."
    )
    assert type(load_keras_file(path, code)).__name__ == "Mine"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("raise RuntimeError('boom')", "fails: RuntimeError: boom"),
        ("import a_module_that_is_not_there", "fails: ModuleNotFoundError: No module named"),
        ("def f(:", "fails: SyntaxError: "),
        ("import sys; sys.exit('bye')", "fails: SystemExit: bye"),
        (None, "there is no such Python file"),
    ],
)
def test_failing_import_is_reported(kept, tmp_path, error_of, code, sentence):
    small().save(tmp_path / "small.keras")
    definitions = tmp_path / "mine.py"
    if code:
        definitions.write_text(code)
    error_message = error_of(
        f"--keras={tmp_path / 'small.keras'}", f"--out={kept}", f"--import={definitions}"
    )
    assert f"--import {definitions}" in error_message
    assert sentence in error_message


def test_invalid_label_file_is_reported(kept, tmp_path, error_of):
    small().save(tmp_path / "small.keras")
    labels = tmp_path / "labels.txt"
    flags = [f"--keras={tmp_path / 'small.keras'}", f"--out={kept}", f"--labels={labels}"]
    assert f"--labels {labels} cannot be read as text" in error_of(*flags)
    labels.write_bytes(b"\xff\xfe\x00cat")
    assert f"--labels {labels} cannot be read as text" in error_of(*flags)
    labels.write_text("cat\ndog\n")
    assert "There are 2 labels, but the model has 3 classes" in error_of(*flags)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--labels=x"], "--labels is about a Keras model"),
        (["--keras=x.keras", "--size=224"], "expected HEIGHTxWIDTH in pixels, as 224x224"),
        (["--keras=x.keras", "--pixels=1..1"], "expected two numbers, as 0..1"),
        (["--keras=x.keras", "--pixels=dark"], "expected two numbers, as 0..1"),
    ],
)
def test_invalid_flags_are_reported(kept, capsys, monkeypatch, flags, sentence):
    monkeypatch.setattr(sys, "argv", ["export.py", *flags, f"--out={kept}"])
    with pytest.raises(SystemExit):
        command.main()
    assert sentence in capsys.readouterr().err


def run_export(*flags: object, **options: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "export.py", *map(str, flags)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (LITTLE, LITTLE))


@pytest.fixture(scope="module", autouse=True)
def failing(tmp_path_factory) -> Iterator[tuple[Path, dict[str, subprocess.Popen]]]:
    """Starts processes that must not change a folder before the other tests.

    They take long: TensorFlow waits 10 s for memory to become free.
    """
    folder = tmp_path_factory.mktemp("failing")
    good, large, cut = (folder / f"{name}.keras" for name in ("good", "large", "cut"))
    small().save(good)
    edited(good, large, lambda config: config.replace('"units": 3', '"units": 1000000000'))
    cut.write_bytes(good.read_bytes()[:-200])
    (folder / "out" / "1" / FINGERPRINT_FILE).parent.mkdir(parents=True)
    (folder / "out" / "1" / FINGERPRINT_FILE).write_text("outdated")
    out = f"--out={folder / 'out'}"
    processes = {
        "needs more memory than the": run_export(f"--keras={large}", out, preexec_fn=limit),
        "or it is cut off": run_export(f"--keras={cut}", out),
    }
    yield folder / "out", processes
    for process in processes.values():
        process.kill()


def test_second_export_of_a_keras_file_changes_nothing(tmp_path):
    good = tmp_path / "a model.keras"
    small().save(good)
    (tmp_path / "labels.txt").write_text("cat\ndog\ncow\n")
    flags = [f"--keras={good}", f"--labels={tmp_path / 'labels.txt'}", f"--out={tmp_path / 'new'}"]
    first = run_export(*flags)
    output, errors = first.communicate(timeout=120)
    assert first.returncode == 0, errors
    assert output.startswith(f"written in {tmp_path / 'new'}: 1, 1 layers; input: a drawing, ")
    written = contents(tmp_path / "new")
    servable = Servable(tmp_path / "new" / "1")
    [text] = servable.run("describe", {"anything": np.zeros(1, np.int32)})["descriptions"]
    description = json.loads(text)
    assert description["name"] == "a_model"
    assert description["scores"]["labels"] == ["cat", "dog", "cow"]
    again = run_export(*flags, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    output, imported = again.communicate(timeout=120)
    assert output == f"kept in {tmp_path / 'new'}: 1\n"
    assert "model.exposed.files" in imported
    assert "tensorflow" not in imported
    assert contents(tmp_path / "new") == written


def test_error_is_one_sentence_without_traceback(failing):
    out, processes = failing
    for sentence, process in processes.items():
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, output) == (1, "")
        assert "Traceback" not in errors
        [line] = [line for line in errors.splitlines() if line.startswith("export.py: ")]
        assert sentence in line
    folders = {"1": b"", str(Path("1") / FINGERPRINT_FILE.parent): b""}
    assert contents(out) == {**folders, str(Path("1") / FINGERPRINT_FILE): b"outdated"}
