"""The benchmark of conversions: its processes, its counts, its races and its report."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.convert.__main__ import Conversions
from benchmarks.convert.contenders import CONTENDERS, OTHER, SUBJECT
from benchmarks.convert.graphs import RUNS, operators, race
from benchmarks.convert.report import report
from benchmarks.convert.worker import run
from benchmarks.convert.zoo import SPECIMENS, scatter
from benchmarks.environments import Environment
from benchmarks.report import Machine, Results
from benchmarks.worker import WorkerError
from kgraph import keras

MACHINE = Machine("a processor", 2, "Linux", ("kgraph 1",), "python -m benchmarks.convert")


@pytest.fixture
def here() -> Environment:
    return Environment(CONTENDERS[SUBJECT], Path(sys.executable), (), {})


def test_a_model_is_made_converted_counted_and_run(here: Environment, tmp_path: Path) -> None:
    work = Conversions([here], 1, tmp_path)
    work.specimen("stacked_lstm", 1)
    assert not work.failures
    assert work.operators["stacked_lstm", SUBJECT]["LSTM"] == 3
    assert len(work.results.samples["stacked_lstm", SUBJECT]["run_ms"]) == 100
    samples = work.results.samples["stacked_lstm.keras", SUBJECT]
    assert samples["total_s"][0] >= samples["load_s"][0] + samples["convert_s"][0]
    assert samples["peak_mb"][0] > 10


def test_a_failure_says_what_failed(here: Environment, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"kgraph convert .* ended with status 1[\s\S]*missing\.h5"):
        run(here, tmp_path, "convert", str(tmp_path / "missing.h5"), str(tmp_path / "out.onnx"))


def test_files_that_disagree_are_found_out(tmp_path: Path) -> None:
    paths = {}
    for name in ("one", "two"):
        keras.utils.set_random_seed(len(paths))
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        paths[name] = model.export(tmp_path / f"{name}.onnx")
    batch = np.ones((2, 4), "float32")
    with pytest.raises(ValueError, match="disagree"):
        race(paths, batch, 1, 1)
    times = race({"a": paths["one"], "b": paths["one"]}, batch, 3, 1)
    assert [len(found) for found in times.values()] == [3 * RUNS, 3 * RUNS]
    assert operators(paths["one"])["MatMul"] + operators(paths["one"])["Gemm"] == 1


def test_inputs_are_the_same_every_time_and_words_end_with_padding() -> None:
    specimen = SPECIMENS["masked_text"]
    words = specimen.inputs()
    np.testing.assert_array_equal(words, specimen.inputs())
    assert words.dtype == "int32"
    assert (np.diff(np.equal(words, 0).astype(int), axis=1) >= 0).all()
    assert SPECIMENS["mlp"].inputs().dtype == "float32"


def test_scattered_weights_are_not_constant() -> None:
    model = scatter(SPECIMENS["stacked_lstm"].build(keras))
    assert all(np.ptp(array) > 0 for array in model.get_weights() if array.size > 1)


def test_the_report_says_what_was_met() -> None:
    results = Results()
    for contender, seconds in ((SUBJECT, 2.0), (OTHER, 20.0)):
        parts = {
            "import_s": [0.1],
            "load_s": [1.0],
            "convert_s": [seconds],
            "total_s": [seconds],
            "peak_mb": [400.0],
        }
        results.add("resnet50.h5", contender, parts)
        results.add("mlp", contender, {"run_ms": [seconds, 3 * seconds]})
    counts = {("mlp", SUBJECT): Counter(Gemm=3), ("mlp", OTHER): Counter(MatMul=3, Add=3)}
    text = report(results, counts, "resnet50", MACHINE)
    assert "| `.h5` | all, s | ≤ 0.2 of Keras 3, TensorFlow and tf2onnx | 0.100 | met |" in text
    assert (
        "| `.h5` | peak memory, MB | ≤ 0.3 of Keras 3, TensorFlow and tf2onnx | 1.00 | **missed** |" in text
    )
    assert "| `.keras` | load, s | ≤ 2 | n/a | not measured |" in text
    assert "| `mlp` | 3 | 6 | 2.00 | 20.0 | 0.100 | met |" in text
