"""The names that programs import from `keras.utils.io_utils`; each is defined elsewhere in this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.keras.utils.hdf5_matrix import HDF5Matrix
from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.utils.h5dict import H5Dict, h5dict

__all__ = ["H5Dict", "HDF5Matrix", "h5dict"]

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(("H5Dict", "h5dict"), "kgraph.keras.utils.h5dict"))
