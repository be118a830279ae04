"""HDF5Matrix: rows of a data set, which mean what they mean for arrays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kgraph.errors import ArgumentError, FileError
from kgraph.keras.utils import HDF5Matrix
from kgraph.keras.utils.hdf5_matrix import read_rows
from kgraph.keras.utils.io_utils import HDF5Matrix as under_its_old_path
from tests.house.layout import ROOT

DATA = np.arange(60, dtype="int16").reshape(20, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["a/b"] = DATA
        file["number"] = 1.0
    return tmp_path / "data.h5"


KEYS: list[Any] = [
    0,
    np.int32(9),
    -1,
    slice(None),
    slice(2, 7),
    slice(-3, None),
    slice(8, 100),
    slice(5, 2),
    slice(1, 9, 3),
    slice(None, None, -1),
    [7, 2, 2],
    (0, 9),
    np.array([3, 4, 5]),
    np.array([-1, 0]),
    [],
    np.arange(10) % 2 == 0,
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
@pytest.mark.parametrize("normalizer", [None, lambda rows: rows[:, :2] / 10])
def test_keys_mean_what_they_mean_for_arrays(path: Path, key: Any, normalizer: Any) -> None:
    matrix = HDF5Matrix(path, "a/b", start=5, end=15, normalizer=normalizer)
    array = DATA[5:15] if normalizer is None else normalizer(DATA[5:15])
    wanted = array[list(key) if isinstance(key, tuple) else key]
    found = matrix[key]
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "key", [10, -11, [0, 10], np.array([-11]), [[1]], [0.5], "a", [True, False]], ids=repr
)
def test_rows_that_are_not_there_are_index_errors(path: Path, key: Any) -> None:
    with pytest.raises(IndexError, match="rows"):
        HDF5Matrix(path, "a/b", start=5, end=15)[key]


def test_it_describes_itself_as_an_array_does(path: Path) -> None:
    matrix = under_its_old_path(
        str(path), "a/b", 5, normalizer=lambda rows: rows[..., None].astype("float32")
    )
    assert (matrix.shape, matrix.ndim, matrix.size, len(matrix)) == ((15, 3, 1), 3, 45, 15)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(matrix), DATA[5:, :, None])
    assert np.asarray(matrix, "float64").dtype == np.float64


def test_describing_reads_no_rows_but_one_for_a_normalizer(path: Path) -> None:
    seen: list[int] = []
    HDF5Matrix(path, "a/b", normalizer=lambda rows: seen.append(len(rows)) or rows)  # type: ignore[func-returns-value]
    assert seen == [1]


@pytest.mark.parametrize("rows", [[], [3], [4, 5, 6], [6, 5, 4], [9, 0, 9, 9], [1, 3, 19, 3]])
def test_rows_are_read_in_any_order_with_repetitions(path: Path, rows: list[int]) -> None:
    with h5py.File(path) as file:
        np.testing.assert_array_equal(read_rows(file["a/b"], np.array(rows, int)), DATA[rows])


def test_mistakes_are_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        HDF5Matrix(tmp_path / "nowhere", "a")
    (tmp_path / "text").write_text("no HDF5")
    with pytest.raises(FileError, match="HDF5 file"):
        HDF5Matrix(tmp_path / "text", "a")
    for name in ("a", "c", "number"):
        with pytest.raises(ArgumentError, match="a/b"):
            HDF5Matrix(path, name)
    for start, end in ((-1, None), (0, 21), (5, 5), (20, None)):
        with pytest.raises(ArgumentError, match="rows"):
            HDF5Matrix(path, "a/b", start, end)


def test_importing_it_does_not_load_h5py() -> None:
    program = "import sys; from kgraph.keras.utils import HDF5Matrix; print('h5py' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
