"""Training agrees with real Keras 3 on JAX.

Twenty steps from the same weights, every optimizer, four kinds of model.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from kgraph import config, keras
from tests.keras.training import mixed, streams
from tests.keras.training.cases import MODELS, OPTIMIZERS, train
from tests.oracle import needs_jax

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    """What real Keras arrives at. It runs in a process of its own: here Keras has its numpy backend."""
    file = tmp_path_factory.mktemp("reference") / "keras.npz"
    command = [sys.executable, "-m", "tests.keras.training.reference", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(file) as results:
        return dict(results)


@needs_jax
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_trajectory_is_that_of_real_keras(
    reference: Mapping[str, np.ndarray], model: str, optimizer: str
) -> None:
    assert_same_trajectory(reference, model, optimizer)


@needs_jax
def test_trajectory_of_large_recurrent_weights(
    reference: Mapping[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those are multiplied with all inputs before the loop, as those of the small models above are not."""
    monkeypatch.setattr("kgraph.passes.scans.expand.SMALL", 0)
    assert_same_trajectory(reference, "lstm", "adam")


@needs_jax
@pytest.mark.parametrize("case", streams.CASES)
def test_trajectory_on_batches_that_come_one_by_one(reference: Mapping[str, np.ndarray], case: str) -> None:
    assert_same(streams.train(keras, case), reference, case, 1e-6)


@needs_jax
@pytest.mark.parametrize("case", mixed.CASES)
def test_trajectory_in_mixed_precision(reference: Mapping[str, np.ndarray], case: str) -> None:
    """The interpreter rounds where Keras does: steps are left out, and the scale comes down, when it is so there."""
    with config.using(backend="reference"):
        assert_same(mixed.train(keras, case), reference, case, 2e-3)


@needs_jax
@pytest.mark.parametrize("case", ["mixed/dense", "mixed/recurrent"])
def test_trajectory_in_mixed_precision_on_the_runtime(reference: Mapping[str, np.ndarray], case: str) -> None:
    """On a CPU, onnxruntime computes half precision in float32: nothing overflows there, and little is rounded."""
    assert_same(mixed.train(keras, case), reference, case, 2e-3)


def assert_same_trajectory(reference: Mapping[str, np.ndarray], model: str, optimizer: str) -> None:
    assert_same(train(keras, model, optimizer), reference, f"{model}/{optimizer}", 1e-4)


def assert_same(
    found: Sequence[np.ndarray], reference: Mapping[str, np.ndarray], case: str, tolerance: float
) -> None:
    wanted = [reference[key] for key in sorted(reference) if key.startswith(f"{case}/")]
    assert wanted
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
