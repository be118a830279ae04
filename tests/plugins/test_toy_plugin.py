"""A plug-in of a stranger, really installed: programs that only import kgraph use all that it contributes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOY = ROOT / "tests" / "toy_plugin"

USES_ALL_FOUR = """
import numpy as np
import onnxruntime
import kgraph
from kgraph import config, keras
from kgraph.ir.op import registry
from kgraph.plugins.builtin import default_manager

infos = {info.name: info for info in default_manager().infos()}
assert not infos["toy"].problem, infos["toy"]

# the layer and the op: trained on onnxruntime, so the gradient and the lowering are used
keras.utils.set_random_seed(0)
x = np.random.randn(64, 3).astype("float32")
y = np.tanh(x @ np.ones((3, 1), "float32"))

def build(limit):
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(3,)), keras.layers.SoftClipping(limit)])
    model.compile("adam", "mse")
    return model

model = build(1.0)
losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
again = keras.Sequential.from_config(model.get_config())
assert again.layers[1].limit == 1.0

# the lowering in a file for anyone
path = kgraph.export(model, "toy.onnx")
session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
(found,) = session.run(None, {session.get_inputs()[0].name: x})
np.testing.assert_allclose(found, model.predict(x), rtol=1e-5, atol=1e-6)

# the backend, and the pass: a clip too wide to matter is gone before anything is compiled
with config.using(backend="toy"):
    backend = default_manager().backend("toy")
    np.testing.assert_allclose(build(1.0).predict(x).shape, (64, 1))
    assert backend.compiled["toy.soft_clip"] == 1, backend.compiled
    backend.compiled.clear()
    build(1e12).predict(x)
    assert backend.compiled and not backend.compiled["toy.soft_clip"], backend.compiled
print("all four used")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed the plug-in into."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "toy"
    subprocess.run(
        [sys.executable, "-c", f"import shutil; shutil.copytree({str(TOY)!r}, {str(source)!r})"], check=True
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    done = subprocess.run(
        [*command, "--target", str(target), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


def run(code: str, site: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_backend_pass_layer_and_op_of_an_installed_plugin_work(installed: Path, tmp_path: Path) -> None:
    done = run(USES_ALL_FOUR, installed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all four used" in done.stdout


def test_conformance_kit_runs_on_the_plugins_backend(installed: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)]),
        "KGRAPH_BACKEND": "toy",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--pyargs",
        "kgraph.testing.conformance",
    ]
    done = subprocess.run(
        [*command, "-k", "soft_clip or matmul"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_without_the_plugin_its_layer_is_unknown(tmp_path: Path) -> None:
    done = run("from kgraph import keras; keras.layers.SoftClipping", tmp_path, tmp_path)
    assert "AttributeError" in done.stderr
