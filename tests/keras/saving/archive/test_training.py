"""Training goes on across a file, from kgraph to real Keras on JAX and back, with every optimizer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from kgraph import keras
from tests.keras.saving.archive.cases import CASES, WITH_WEIGHTS_FILES, exchange
from tests.oracle import needs_jax

ROOT = Path(__file__).resolve().parents[4]
Results = Mapping[str, np.ndarray]
FILES = [(case, "model") for case in CASES] + [(case, "weights") for case in WITH_WEIGHTS_FILES]
each_file = pytest.mark.parametrize(("case", "how"), FILES)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Results]:
    """What kgraph and Keras arrive at, each also from the files of the other."""
    folder = tmp_path_factory.mktemp("exchange")
    exchange(keras, keras.models.load_model, folder, "kgraph", "keras")
    command = [sys.executable, "-m", "tests.keras.saving.archive.reference", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "keras.npz") as theirs:
        return exchange(keras, keras.models.load_model, folder, "kgraph", "keras"), dict(theirs)


def agree(found: Results, wanted: Results, case: str, how: str, whose: str) -> None:
    """Weights after training from a file are those of whoever wrote it, after as many steps."""
    mine = [found[key] for key in sorted(found) if key.startswith(f"{how}/{case}/")]
    theirs = [wanted[key] for key in sorted(wanted) if key.startswith(f"{whose}/{case}/")]
    assert len(mine) == len(theirs) > 0
    for left, right in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


@needs_jax
@each_file
def test_we_go_on_where_keras_stood(results: tuple[Results, Results], case: str, how: str) -> None:
    ours, theirs = results
    agree(ours, theirs, case, how, "keras")


@needs_jax
@each_file
def test_keras_goes_on_where_we_stood(results: tuple[Results, Results], case: str, how: str) -> None:
    ours, theirs = results
    agree(theirs, ours, case, how, "kgraph")
