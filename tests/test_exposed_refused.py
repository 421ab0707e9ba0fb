"""What cannot be exposed: one sentence for each, nothing half done, and what was there stays."""

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
from model.exposed.files import MARK_FILE
from model.exposed.keras_file import load_keras_file
from serving.embedded.servable import Servable
from tests.exposed_zoo import SUBCLASSED
from tests.pages import ROOT

pytestmark = pytest.mark.slow
LITTLE = 3 * 2**30  # bytes: enough for TensorFlow, and for no model that is large


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
    """A folder with a version that must be there, as it was, at the end of the test."""
    folder = tmp_path / "out"
    (folder / "1" / MARK_FILE).parent.mkdir(parents=True)
    (folder / "1" / MARK_FILE).write_text("of another time")
    (folder / "1" / "saved_model.pb").write_bytes(bytes(range(256)))
    before = contents(folder)
    yield folder
    assert contents(folder) == before  # and no unfinished-*


@pytest.fixture
def say(monkeypatch) -> Callable[..., str]:
    """Runs the command in this process, which is quicker, and returns what it ends with."""

    def say(*flags: object) -> str:
        monkeypatch.setattr(command, "limit_memory", lambda: 2**33)
        monkeypatch.setattr(sys, "argv", ["export.py", *map(str, flags)])
        with pytest.raises(SystemExit) as ended:
            command.main()
        [sentence] = str(ended.value.code).splitlines()
        return sentence.removeprefix("export.py: ")

    return say


def tables() -> keras.Model:
    """Answers words."""
    image = keras.Input((4, 4, 1), name="image")
    names = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    return keras.Model(image, names(ops.cast(layers.Flatten()(image), "int64")))


def two_inputs() -> keras.Model:
    one, other = keras.Input((8, 8, 1), name="one"), keras.Input((8, 8, 1), name="other")
    return keras.Model([one, other], layers.Flatten()(one + other))


def asks_whether() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    return keras.Model(image, ops.greater(layers.Conv2D(2, 3)(image), 0.0))


def passes_on() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    return keras.Model(image, layers.Flatten()(layers.Dropout(0.5)(image)))


REFUSED = {
    "two inputs": (two_inputs, {}, "takes 2 inputs, one, other"),
    "numbers": (lambda: small(10), {}, r"takes \[10\], which is no picture"),
    "two channels": (lambda: small(8, 8, 2), {}, r"takes \[8, 8, 2\], which is no picture"),
    "a film": (lambda: small(4, 8, 8, 3), {}, r"takes \[4, 8, 8, 3\], which is no picture"),
    "never called": (lambda: keras.Sequential([layers.Dense(2)]), {}, "before it was ever called"),
    "labels": (small, {"labels": ["a", "b"]}, "There are 2 labels, but the model has 3 classes"),
    "labels of none": (
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
    "a size too small": (
        lambda: keras.Model(i := keras.Input((None, None, 3)), layers.Conv2D(2, 9)(i)),
        {"size": (8, 8)},
        r"cannot be called with \(None, 8, 8, 3\): ",
    ),
    "a drawing in colour": (
        lambda: small(8, 8, 3),
        {"kind": "drawing"},
        r"with one channel, but the model takes \[8, 8, 3\]",
    ),
    "words": (tables, {}, "a tensor of type string; expected are numbers"),
    "truths": (asks_whether, {}, "a tensor of type bool; expected are numbers"),
    "no such layer": (small, {"layers": ["conv*"]}, r"No layer fits --layers conv\*.*logits"),
    "no layer at all": (passes_on, {}, "No layer has activations"),
    "a name with a slash": (small, {"name": "my/model"}, "'my/model' cannot be a model's name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_be_shown_is_refused_with_a_sentence(kept, name):
    build, options, sentence = REFUSED[name]
    with pytest.raises(ExposeError, match=sentence) as refused:
        expose(build(), kept, **options)
    assert "\n" not in str(refused.value)


def test_a_folder_with_another_model_is_left_alone(tmp_path):
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
        ("keras.export.ExportArchive", tf.errors.ResourceExhaustedError(None, None, FULL)),
        ("model.exposed.export.write_requests", OSError(errno.ENOSPC, "No space left on device")),
    ],
)
def test_a_full_disk_is_not_taken_for_a_full_memory(kept, tmp_path, monkeypatch, say, step, error):
    """In whichever step it becomes full; the first error is word for word TensorFlow's."""
    small().save(tmp_path / "small.keras")

    def fail(*args, **kwargs):
        raise error

    archive = keras.export.ExportArchive
    if "Archive" in step:
        monkeypatch.setattr(type(archive()), "write_out", fail)
    else:
        monkeypatch.setattr(step, fail)
    said = say(f"--keras={tmp_path / 'small.keras'}", f"--out={kept}")
    assert said.endswith("No space left on device")
    assert "memory" not in said


def test_memory_that_is_not_there_is_told_from_a_full_disk(kept, tmp_path, monkeypatch, say):
    small().save(tmp_path / "small.keras")

    def fail(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape")

    monkeypatch.setattr(type(keras.export.ExportArchive()), "write_out", fail)
    said = say(f"--keras={tmp_path / 'small.keras'}", f"--out={kept}")
    assert "needs more memory than the 8.6 GB that are free here" in said


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path, say):
    small().save(tmp_path / "small.keras")
    (tmp_path / "out").write_text("mine")
    said = say(f"--keras={tmp_path / 'small.keras'}", f"--out={tmp_path / 'out'}")
    assert said.startswith(f"{tmp_path / 'out'} cannot be written: ")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("text.keras", b"A model, they say.", "is no Keras model, whatever its name says"),
        ("text.h5", b"A model, they say.", "is no Keras model, whatever its name says"),
        ("empty.keras", b"", "or it is cut off"),
        ("model.pt", b"weights", "is none of .keras, .h5, .hdf5"),
        ("missing.keras", None, "There is no file"),
    ],
)
def test_a_file_that_is_no_model_is_refused(kept, tmp_path, say, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    said = say(f"--keras={tmp_path / name}", f"--out={kept}")
    assert str(tmp_path / name) in said
    assert sentence in said


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_that_is_cut_off_or_broken_is_refused(kept, tmp_path, say, suffix):
    whole = tmp_path / f"whole{suffix}"
    small(32, 32, 3).save(whole)
    content = whole.read_bytes()
    for kept_bytes in (len(content) // 2, len(content) - 9):
        path = tmp_path / f"cut{suffix}"
        path.write_bytes(content[:kept_bytes])
        assert f"{path} " in say(f"--keras={path}", f"--out={kept}")


def edited(source: Path, target: Path, edit: Callable[[str], str]) -> Path:
    """A .keras file with another config.json."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, edit(content.decode()) if name == "config.json" else content)
    return target


def test_a_file_whose_weights_are_of_another_model_is_refused(kept, tmp_path, say):
    small().save(tmp_path / "small.keras")
    path = edited(
        tmp_path / "small.keras",
        tmp_path / "other.keras",
        lambda config: config.replace('"units": 3', '"units": 4'),
    )
    said = say(f"--keras={path}", f"--out={kept}")
    assert f"{path} cannot be loaded as a Keras model" in said


def test_code_in_the_file_runs_only_if_it_is_trusted(kept, tmp_path, say):
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Lambda(lambda x: x * 2, output_shape=(8, 8, 1), name="twice")(image)
    path = tmp_path / "lambda.keras"
    keras.Model(image, layers.Dense(2)(layers.Flatten()(x))).save(path)
    said = say(f"--keras={path}", f"--out={kept}")
    assert said.startswith(f"{path} has a Lambda layer")
    assert "--trust" in said
    model = load_keras_file(path, is_trusted=True)
    np.testing.assert_array_equal(model.get_layer("twice")(np.ones((1, 8, 8, 1))), 2)


def test_a_custom_class_has_to_be_imported(kept, tmp_path, say):
    code, path = tmp_path / "mine.py", tmp_path / "mine.keras"
    register = '@keras.saving.register_keras_serializable("zoo")\n'
    code.write_text(SUBCLASSED.replace(register, "").replace("Subclassed", "Mine"))
    model = runpy.run_path(str(code), run_name="mine")["Mine"]()
    model(np.zeros((1, 12, 10, 3), np.float32))
    model.save(path)
    said = say(f"--keras={path}", f"--out={kept}")
    assert said == (
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
def test_a_file_to_import_that_fails_is_named(kept, tmp_path, say, code, sentence):
    small().save(tmp_path / "small.keras")
    definitions = tmp_path / "mine.py"
    if code:
        definitions.write_text(code)
    said = say(f"--keras={tmp_path / 'small.keras'}", f"--out={kept}", f"--import={definitions}")
    assert f"--import {definitions}" in said
    assert sentence in said


def test_labels_that_are_no_text_are_named(kept, tmp_path, say):
    small().save(tmp_path / "small.keras")
    labels = tmp_path / "labels.txt"
    flags = [f"--keras={tmp_path / 'small.keras'}", f"--out={kept}", f"--labels={labels}"]
    assert f"--labels {labels} cannot be read as text" in say(*flags)
    labels.write_bytes(b"\xff\xfe\x00cat")
    assert f"--labels {labels} cannot be read as text" in say(*flags)
    labels.write_text("cat\ndog\n")
    assert "There are 2 labels, but the model has 3 classes" in say(*flags)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--labels=x"], "--labels is about a Keras model"),
        (["--keras=x.keras", "--size=224"], "expected HEIGHTxWIDTH in pixels, as 224x224"),
        (["--keras=x.keras", "--pixels=1..1"], "expected two numbers, as 0..1"),
        (["--keras=x.keras", "--pixels=dark"], "expected two numbers, as 0..1"),
    ],
)
def test_flags_that_mean_nothing_are_refused(kept, capsys, monkeypatch, flags, sentence):
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
def refusing(tmp_path_factory) -> Iterator[tuple[Path, dict[str, subprocess.Popen]]]:
    """A folder, and processes that must not change it, started before all other tests.

    TensorFlow waits for 10 s for memory that somebody might free.
    """
    folder = tmp_path_factory.mktemp("refusing")
    good, large, cut = (folder / f"{name}.keras" for name in ("good", "large", "cut"))
    small().save(good)
    edited(good, large, lambda config: config.replace('"units": 3', '"units": 1000000000'))
    cut.write_bytes(good.read_bytes()[:-200])
    (folder / "out" / "1" / MARK_FILE).parent.mkdir(parents=True)
    (folder / "out" / "1" / MARK_FILE).write_text("of another time")
    out = f"--out={folder / 'out'}"
    processes = {
        "needs more memory than the": run_export(f"--keras={large}", out, preexec_fn=limit),
        "or it is cut off": run_export(f"--keras={cut}", out),
    }
    yield folder / "out", processes
    for process in processes.values():
        process.kill()


def test_the_command_exports_once(tmp_path):
    """As a whole, in a process of its own."""
    good = tmp_path / "a model.keras"
    small().save(good)
    (tmp_path / "labels.txt").write_text("cat\ndog\ncow\n")
    flags = [f"--keras={good}", f"--labels={tmp_path / 'labels.txt'}", f"--out={tmp_path / 'new'}"]
    first = run_export(*flags)
    said, complaints = first.communicate(timeout=120)
    assert first.returncode == 0, complaints
    assert said.startswith(f"written in {tmp_path / 'new'}: 1, 1 layers; it takes a drawing: ")
    written = contents(tmp_path / "new")
    servable = Servable(tmp_path / "new" / "1")
    [text] = servable.run("describe", {"anything": np.zeros(1, np.int32)})["descriptions"]
    description = json.loads(text)
    assert description["name"] == "a_model"
    assert description["scores"]["labels"] == ["cat", "dog", "cow"]
    again = run_export(*flags, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    said, imported = again.communicate(timeout=120)
    assert said == f"kept in {tmp_path / 'new'}: 1\n"
    assert "model.exposed.files" in imported
    assert "tensorflow" not in imported
    assert contents(tmp_path / "new") == written


def test_a_refusal_is_one_sentence_and_no_traceback(refusing):
    out, processes = refusing
    for sentence, process in processes.items():
        said, complaints = process.communicate(timeout=120)
        assert (process.returncode, said) == (1, "")
        assert "Traceback" not in complaints
        [line] = [line for line in complaints.splitlines() if line.startswith("export.py: ")]
        assert sentence in line
    folders = {"1": b"", str(Path("1") / MARK_FILE.parent): b""}
    assert contents(out) == {**folders, str(Path("1") / MARK_FILE): b"of another time"}
