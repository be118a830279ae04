"""Two epochs, a file, and two more epochs in another process are four epochs, bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph.keras import optimizers
from tests.keras.saving import resumed
from tests.keras.saving.resumed import CASES, OPTIMIZERS, file_of, train_through

KINDS = [".h5", ".keras"]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Every case trained through, and gone on with by another process."""
    folder = tmp_path_factory.mktemp("resumed")
    wanted = {name: train_through(folder, name, KINDS) for name in CASES}
    subprocess.run(
        [sys.executable, "-W", "error", "-m", resumed.__name__, str(folder), *KINDS],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    return folder, wanted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_two_and_two_epochs_are_four(
    trained: tuple[Path, dict[str, dict[str, Any]]], name: str, kind: str
) -> None:
    folder, results = trained
    wanted = results[name]
    with np.load(file_of(folder, name, f"{kind}.npz")) as found:
        assert list(found) == list(wanted)
        for key, value in wanted.items():
            np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_every_optimizer_is_among_them() -> None:
    kinds = {type(make()) for make in OPTIMIZERS.values()}
    known = {value for value in vars(optimizers).values() if isinstance(value, type)}
    assert kinds == {kind for kind in known if issubclass(kind, optimizers.Optimizer)} - {
        optimizers.Optimizer
    }
