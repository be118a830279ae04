"""The settings of a program, under the names of Keras 3."""

from __future__ import annotations

from kgraph.keras.dtype_policies import dtype_policy, set_dtype_policy
from kgraph.keras.settings import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)

__all__ = [
    "dtype_policy",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]
