"""Model files and weight files in HDF5, as Keras 1, 2 and 3 lay them out."""

from __future__ import annotations
