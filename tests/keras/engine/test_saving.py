"""keras.engine.saving: the weights of some layers in a group of an HDF5 file that the program holds open."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from kgraph import keras
from kgraph.errors import FileError
from kgraph.keras import layers
from kgraph.keras.engine import saving, topology


def model(last: int = 2) -> keras.Sequential:
    return keras.Sequential(
        [
            layers.Dense(3, input_shape=(4,), name="first"),
            layers.Dropout(0.5),
            layers.Dense(last, name="last"),
        ]
    )


def test_in_order_and_by_name(tmp_path: Path) -> None:
    source = model()
    source.save_weights(tmp_path / "weights.h5")
    with h5py.File(tmp_path / "weights.h5") as file:
        found = model()
        saving.load_weights_from_hdf5_group(file, found.layers)
        np.testing.assert_array_equal(found.predict(np.eye(4)), source.predict(np.eye(4)))
        other = model(last=5)
        before = other.layers[-1].get_weights()
        topology.load_weights_from_hdf5_group_by_name(file, other.layers[:1])
        np.testing.assert_array_equal(other.layers[0].get_weights()[0], source.layers[0].get_weights()[0])
        with pytest.raises(FileError, match="another shape"):
            saving.load_weights_from_hdf5_group_by_name(file, other.layers)
        with pytest.warns(UserWarning, match="stays as it is"):
            saving.load_weights_from_hdf5_group_by_name(file, other.layers, skip_mismatch=True)
        np.testing.assert_array_equal(other.layers[-1].get_weights()[0], before[0])
        with pytest.raises(FileError, match="another number of layers"):
            saving.load_weights_from_hdf5_group(file, other.layers[:1])


def test_written_into_a_group_and_read_back(tmp_path: Path) -> None:
    source, found = model(), model()
    with h5py.File(tmp_path / "data.h5", "w") as file:
        saving.save_weights_to_hdf5_group(file.create_group("best"), source.layers)
        saving.load_weights_from_hdf5_group(file["best"], found.layers)
    for mine, theirs in zip(found.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
