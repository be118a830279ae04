"""The files of Keras 3: `.keras` archives, and `.weights.h5` files in the same layout."""

from __future__ import annotations
