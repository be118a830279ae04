"""The names that programs import from `keras.utils.io_utils`; each is defined elsewhere in this package."""

from __future__ import annotations

from kgraph.keras.utils.hdf5_matrix import HDF5Matrix

__all__ = ["HDF5Matrix"]
