"""`kgraph inspect` on files whose models cannot be built here: what the file says, and which option would build it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras import layers as L
from tests.cli.command import fails, run

MARK = "ran.txt"


class Unheard(L.Layer):
    """In no module that is imported."""

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight(name="w", shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs: Any) -> Any:
        return inputs * self.w


class Own(keras.Model):
    """A model whose structure is in its code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = L.Dense(2)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


def custom(folder: Path, suffix: str) -> Path:
    layers = [
        L.Dense(3, input_shape=(4,), name="d"),
        Unheard(name="u"),
        L.TimeDistributed(Unheard(), name="t"),
    ]
    model = keras.Sequential([layers[0], layers[1], L.Reshape((1, 3), name="r"), layers[2]], name="mine")
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(np.zeros((2, 4)), np.zeros((2, 1, 3)))
    model.save(folder / f"m{suffix}")
    return folder / f"m{suffix}"


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_layers_that_nobody_here_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = custom(tmp_path, suffix)
    done = run(capsys, "inspect", path)
    assert (done.status, done.err) == (0, "")
    (problem,) = [line for line in done.out.splitlines() if line.startswith("not built: ")]
    assert "Unheard" in problem
    assert "--import" in problem
    for part in (
        "mine (Sequential)",
        "Dense",
        "float32[4, 3]",
        "21 parameters",
        "optimizer Adam",
        "loss      m",
    ):
        assert part in done.out
    found = json.loads(run(capsys, "inspect", path, "--json").out)
    layers = {layer["name"]: (layer["class_name"], layer["parameters"]) for layer in found["layers"]}
    layers.pop("d_input", None)  # Keras 3's files list inputs
    assert layers == {
        "d": ("Dense", 15),
        "u": ("Unheard", 3),
        "r": ("Reshape", 0),
        "t": ("TimeDistributed", 3),
    }
    assert [w["shape"] for layer in found["layers"] if layer["name"] == "d" for w in layer["weights"]] == [
        [4, 3],
        [3],
    ]
    assert (found["parameters"], found["other_weights"]) == (21, [])
    assert "--import" in found["not_built"]
    assert found["training"]["loss"] in ("mse", "mean_squared_error")
    assert found["size"] == path.stat().st_size


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_code_in_a_file_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    mark = MARK
    model = keras.Sequential(
        [
            L.Dense(3, input_shape=(4,), name="d"),
            L.Lambda(lambda x: (open(mark, "w").close(), x)[1], name="l"),
        ]
    )
    model.compile("sgd", "mse")
    path = tmp_path / f"m{suffix}"
    model.save(path)
    (tmp_path / MARK).unlink()
    done = run(capsys, "inspect", path)
    assert (done.status, (tmp_path / MARK).exists()) == (0, False)
    assert "--unsafe" in done.out
    assert "Lambda" in done.out
    assert "not built" not in run(capsys, "inspect", path, "--unsafe").out
    assert (tmp_path / MARK).exists()


def test_a_model_that_is_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Own(name="own")
    model(np.zeros((2, 4), "float32"))
    model.save(tmp_path / "m.keras")
    found = json.loads(run(capsys, "inspect", tmp_path / "m.keras", "--json").out)
    assert (found["name"], found["class_name"], found["layers"], found["parameters"]) == (
        "own",
        "Own",
        [],
        10,
    )
    assert len(found["other_weights"]) == 2
    assert "dense/vars/0: float32[4, 2]" in run(capsys, "inspect", tmp_path / "m.keras").out


def test_an_architecture_with_and_without_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = keras.Sequential([Unheard(input_shape=(4,), name="u")])
    path, weights = tmp_path / "m.json", tmp_path / "w.h5"
    path.write_text(model.to_json(), encoding="utf-8")
    model.save_weights(weights)
    alone = json.loads(run(capsys, "inspect", path, "--json").out)
    assert (alone["parameters"], alone["layers"][-1]["weights"]) == (None, None)
    assert "parameters" not in run(capsys, "inspect", path).out
    assert "not compiled" in run(capsys, "inspect", path).out
    assert "4 parameters" in run(capsys, "inspect", path, "--weights", weights).out


def test_a_damaged_file_is_still_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = custom(tmp_path, ".keras")
    path.write_bytes(path.read_bytes()[:-30])
    assert "zip" in fails(capsys, "inspect", path)


def test_other_commands_need_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--import" in fails(capsys, "convert", custom(tmp_path, ".h5"), tmp_path / "m.onnx")
