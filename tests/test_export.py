"""SavedModels on disk: contract, compatibility with TensorFlow Serving, and incremental export."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

import export
from model.export import FINGERPRINT_FILE, export_versions, find_others
from model.feature_visualization import save_features
from model.network import build_network
from model.weights import RELEASED, features_path, find_snapshots, save_snapshot
from tests.pages import ROOT

SIGNATURES = {"serving_default", "sketch", "classify", "explain", "weights"}
SIGNATURES |= {"preview", "layer", "parameters", "explain_class", "describe"}
# All are in TensorFlow 2.17; check that before adding one.
OPERATIONS = set(
    """Abs AddN AddV2 All Any ArgMax Assert AssignVariableOp BiasAdd BiasAddGrad
    BroadcastGradientArgs BroadcastTo Cast ConcatOffset ConcatV2 Const Conv2D
    Conv2DBackpropFilter Conv2DBackpropInput Cumsum DecodeBmp DecodeImage DecodeJpeg
    DecodePng DecodeRaw DenseBincount DisableCopyOnRead DivNoNan DynamicStitch EnsureShape
    Equal Exp ExtractJpegShape Fill Floor FloorMod GatherV2 Greater GreaterEqual Identity If
    IsFinite Less LessEqual Log LogicalAnd LogicalNot LowerBound MatMul Max MaxPool
    MaxPoolGrad Maximum MergeV2Checkpoints Min Minimum MirrorPad Mul Neg NoOp OneHot Pack
    PartitionedCall Placeholder Pow Prod Range ReadVariableOp RealDiv Reciprocal Relu
    ReluGrad Reshape RestoreV2 ReverseV2 Round SaveV2 ScaleAndTranslate Select SelectV2
    Shape ShapeN ShardedFilename Size Slice Softmax Squeeze StatefulPartitionedCall
    StatelessCase StatelessIf StatelessWhile StaticRegexFullMatch StopGradient StridedSlice
    StridedSliceGrad StringJoin StringLength StringSplitV2 Sub Substr Sum
    TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem
    TensorListStack Tile Unpack VarHandleOp Where ZerosLike""".split()
)


@pytest.fixture(scope="module")
def graph(base_path, final_version) -> SavedModel:
    path = base_path / str(final_version) / "saved_model.pb"
    return SavedModel.FromString(path.read_bytes())


def test_saved_model_uses_only_operations_of_tensorflow_2_17(graph):
    graph_def = graph.meta_graphs[0].graph_def
    functions = graph_def.library.function
    nodes = [*graph_def.node, *(node for function in functions for node in function.node_def)]
    functions_by_name = {function.signature.name for function in functions}
    used = {node.op for node in nodes} - functions_by_name
    assert used == OPERATIONS


def test_each_version_has_a_warm_up_request_for_each_signature(base_path):
    for version in base_path.iterdir():
        file = version / "assets.extra" / "tf_serving_warmup_requests"
        logs = [
            PredictionLog.FromString(r)
            for r in tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
        ]
        specs = [log.predict_log.request.model_spec for log in logs]
        assert {spec.name for spec in specs} == {"mnist"}
        assert sorted(spec.signature_name for spec in specs) == sorted(SIGNATURES)


def test_saved_model_cli_shows_the_contract(base_path, final_version):
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "show", "--all"]
    shown = subprocess.run(
        [*command, "--dir", base_path / str(final_version)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for line in (
        "signature_def['serving_default']",
        "signature_def['sketch']",
        "signature_def['classify']",
        "signature_def['explain']",
        "signature_def['weights']",
        "inputs['images'] tensor_info:\n        dtype: DT_FLOAT\n        shape: (-1, 28, 28)",
        "inputs['drawings'] tensor_info:\n        dtype: DT_UINT8\n        shape: (-1, -1, -1)",
        "inputs['image_bytes'] tensor_info:\n        dtype: DT_STRING\n        shape: (-1)",
    ):
        assert line in shown


def test_second_export_changes_nothing_and_does_not_import_tensorflow(base_path):
    before = {path: path.stat().st_mtime_ns for path in base_path.rglob("*")}
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['export.py', '--out={base_path}']\n"
        "runpy.run_path('export.py', run_name='__main__')\n"
        "assert 'tensorflow' not in sys.modules, 'TensorFlow was imported'\n"
        "assert 'keras' not in sys.modules, 'Keras was imported'\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    assert {path: path.stat().st_mtime_ns for path in base_path.rglob("*")} == before


@pytest.mark.slow
def test_changed_versions_are_replaced_and_old_ones_removed(tmp_path):
    weights, base_path = tmp_path / "weights", tmp_path / "exported"
    network = build_network()
    for step in (1, 20, 300):
        snapshot = save_snapshot(network, weights, step)
        save_features(np.zeros((64, 14, 14), np.uint8), features_path(snapshot))
    assert export_versions(find_snapshots(weights), base_path) == ([1, 20, 300], [], [], [])

    foreign = base_path / "77"
    foreign.mkdir()
    network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    save_snapshot(network, weights, 20)
    (weights / "300.safetensors").unlink()
    written_at = time.time_ns()
    assert export_versions(find_snapshots(weights), base_path) == ([], [20], [1], [300])
    assert sorted(path.name for path in base_path.iterdir()) == ["1", "20", "77"]
    assert (base_path / "1" / "saved_model.pb").stat().st_mtime_ns < written_at
    logits = tf.saved_model.load(str(base_path / "20")).signatures["serving_default"](
        images=tf.ones((1, 28, 28))
    )["logits"]
    assert not logits.numpy().any()


@pytest.mark.slow
def test_failed_export_leaves_no_version(tmp_path, monkeypatch):
    save_snapshot(build_network(), tmp_path / "weights", 5)

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("model.saved_model.write_requests", fail)
    with pytest.raises(OSError, match="no space left"):
        export_versions(find_snapshots(tmp_path / "weights"), tmp_path / "exported")
    assert not (tmp_path / "exported" / "5").exists()


def test_missing_weights_are_reported(tmp_path):
    command = [sys.executable, "export.py", f"--weights={tmp_path}", f"--out={tmp_path}/out"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode != 0
    assert "There is no <step>.safetensors" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.fixture
def export_sparing(monkeypatch, capsys) -> Callable[[Path], str]:
    """Runs `export.py --spare-others` in this process and returns its output."""

    def export_sparing(base_path: Path) -> str:
        command = ["export.py", f"--out={base_path}", "--spare-others"]
        monkeypatch.setattr(sys, "argv", command)
        export.main()
        return capsys.readouterr().out

    return export_sparing


def test_outdated_export_of_released_weights_is_replaced(base_path, tmp_path, export_sparing):
    served = tmp_path / "mnist"
    shutil.copytree(base_path, served)
    steps = find_snapshots(RELEASED)
    assert find_others(served) == []
    first = served / str(min(steps))
    (first / FINGERPRINT_FILE).write_text("outdated\nreleased")
    stale = (first / "saved_model.pb").stat().st_mtime_ns
    assert f"replaced in {served}: {min(steps)}\n" in export_sparing(served)
    assert (first / "saved_model.pb").stat().st_mtime_ns != stale
    # Early exports had no mark and are recognised by their weights.
    (first / FINGERPRINT_FILE).write_text("outdated")
    assert find_others(served) == []
    assert f"replaced in {served}: {min(steps)}\n" in export_sparing(served)


def test_export_of_other_weights_is_spared(base_path, tmp_path, export_sparing):
    served = tmp_path / "mnist"
    own = tmp_path / "weights"
    save_snapshot(build_network(), own, 7254)  # a released version number
    export_versions(find_snapshots(own), served)
    (served / "7254" / FINGERPRINT_FILE).write_text("outdated")
    before = (served / "7254" / "saved_model.pb").stat().st_mtime_ns
    assert find_others(served) == [7254]
    output = export_sparing(served)
    assert "holds versions of other weights than the released ones (7254)" in output
    assert "--weights DIR" in output
    assert [path.name for path in served.iterdir()] == ["7254"]
    assert (served / "7254" / "saved_model.pb").stat().st_mtime_ns == before
    # In a folder with both, only released versions are replaced.
    shutil.copytree(base_path / "1", served / "1")
    (served / "1" / FINGERPRINT_FILE).write_text("outdated\nreleased")
    assert f"replaced in {served}: 1\n" in export_sparing(served)
    assert {path.name for path in served.iterdir()} == {"1", "7254"}
    assert (served / "7254" / "saved_model.pb").stat().st_mtime_ns == before
