"""What `kgraph.config` and the environment ask for, seen from a fit: dumps, backends, devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kgraph import config
from kgraph.plugins.onnx import device
from tests.keras.training.small import X, Y, regression

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import numpy as np
from kgraph import keras
model = keras.Sequential([keras.layers.Dense(1, input_shape=(4,))])
model.compile("sgd", "mse")
model.fit(np.ones((8, 4)), np.zeros(8), validation_split=0.5, verbose=0)
print("trained")
"""


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    """A small training in a process with these variables."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_kgraph_dump_writes_the_graph_around_each_pass_of_a_fit(tmp_path: Path) -> None:
    done = run(KGRAPH_DUMP=str(tmp_path))
    assert done.returncode == 0, done.stderr
    files = sorted(path.name for path in tmp_path.glob("[0-9]*.txt"))
    numbers = [int(name.split(".")[0]) for name in files]
    assert len(set(numbers)) == len(numbers)
    for function in ("train_step", "eval_step"):
        mine = [name for name in files if name.split(".")[1] == function]
        assert mine[0].endswith(".input.txt")
        assert len(mine) > 3
        last = (tmp_path / mine[-1]).read_text()
        assert "sequential_1" in last or "dense_1" in last
    assert "gemm" in (tmp_path / files[-1]).read_text() or "matmul" in (tmp_path / files[-1]).read_text()
    table = (tmp_path / "passes.txt").read_text()
    assert "train_step" in table
    assert "simplify" in table


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"KGRAPH_DEVICE": "tpu"}, ("KGRAPH_DEVICE", "'cuda'", "'tpu'")),
        ({"KGRAPH_BACKEND": "abacus"}, ("abacus",)),
        ({"KGRAPH_PASSES": "-nonsense"}, ("nonsense",)),
    ],
)
def test_a_setting_that_does_not_exist_is_named(variables: dict[str, str], words: tuple[str, ...]) -> None:
    done = run(**variables)
    assert done.returncode != 0
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    "variables", [{"KGRAPH_DEVICE": "cpu"}, {"KGRAPH_BACKEND": "reference"}, {"KGRAPH_THREADS": "1"}]
)
def test_the_environment_chooses_where_a_fit_runs(variables: dict[str, str]) -> None:
    done = run(**variables)
    assert done.stdout == "trained\n", done.stderr


@pytest.mark.parametrize("strict", [False, True])
def test_asking_for_cuda_where_it_cannot_be_had_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, strict: bool
) -> None:
    monkeypatch.setattr(device, "cuda_problem", lambda index: f"GPU {index} has no driver: install one")
    model = regression()
    text = r"CUDA(.|\n)*cuda:1(.|\n)*GPU 1 has no driver: install one"
    with config.using(device="cuda:1", strict=strict), pytest.raises(RuntimeError, match=text):
        model.fit(X, Y, verbose=0)
    model.fit(X, Y, verbose=0)  # as it is when nothing is asked for


def test_strict_refuses_to_settle_for_the_cpu_beside_a_broken_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "has_driver", lambda: True)
    monkeypatch.setattr(device, "cuda_problem", lambda index: "no CUDA libraries")
    model = regression()
    with config.using(device="auto", strict=True), pytest.raises(RuntimeError, match="no CUDA libraries"):
        model.predict(X)
    with config.using(device="auto", strict=False):
        assert model.predict(X).shape == (30, 1)


def test_what_is_compiled_stays_where_it_is() -> None:
    model = regression()
    model.fit(X, Y, verbose=0)
    with config.using(backend="reference"):
        other = regression()
        other.set_weights(model.get_weights())
        mine, theirs = model.evaluate(X, Y, verbose=0), other.evaluate(X, Y, verbose=0)
    assert abs(mine - theirs) < 1e-5
