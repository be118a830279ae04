"""What programs import from `keras.engine.saving`: whole models, and the weights of some layers in an HDF5 group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kgraph.keras.layers.base import Layer
from kgraph.keras.models.network import Network
from kgraph.keras.saving.api import load_model, save_model
from kgraph.keras.saving.hdf5.guard import open_file
from kgraph.keras.saving.hdf5.weights_file import Fit, read_weights, write_weights
from kgraph.keras.saving.text import model_from_config, model_from_json, model_from_yaml

__all__ = [
    "load_model",
    "load_weights_from_hdf5_group",
    "load_weights_from_hdf5_group_by_name",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "save_model",
    "save_weights_to_hdf5_group",
]


class Listed(Network):
    """Some layers, in the place of a model that has them."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__(name="layers")
        self._listed = list(layers)

    @property
    def layers(self) -> list[Layer]:
        return self._listed


def save_weights_to_hdf5_group(group: Any, layers: Iterable[Layer]) -> None:
    """Write the weights of layers into an h5py group."""
    write_weights(group, Listed(layers))


def load_weights_from_hdf5_group(group: Any, layers: Iterable[Layer], reshape: bool = False) -> None:
    """Read weights from an `h5py.Group`, or what else `open_file` takes, into those layers that have any, in order.

    Raises FileError where the layers and the file do not fit; nothing is changed then.
    """
    with open_file(group) as found:
        read_weights(found, Listed(layers), fit=Fit(reshape=reshape))


def load_weights_from_hdf5_group_by_name(
    group: Any, layers: Iterable[Layer], skip_mismatch: bool = False, reshape: bool = False
) -> None:
    """Read weights from an `h5py.Group`, or what else `open_file` takes, into the layers of the same names.

    skip_mismatch  what does not fit stays as it is, with a warning; otherwise it is a FileError, and nothing is changed
    """
    with open_file(group) as found:
        read_weights(found, Listed(layers), by_name=True, fit=Fit(skip_mismatch, reshape))
