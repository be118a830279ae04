"""Real Keras 3 as a second opinion, on its numpy backend, in this process.

`keras()` imports it once (that takes a second or two). Tests that need it are marked with `needs_keras`, which skips
them where the optional extra "oracle" is not installed.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest

needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason='real Keras is not installed (extra "oracle")'
)

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None,
    reason='real Keras on JAX is not installed (extra "oracle")',
)

its_own_warnings = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore:NotImplemented should not be used:DeprecationWarning",
    "ignore:.* encountered in:RuntimeWarning",
)
"""A mark for tests in which Keras warns of its own affairs: it finds shapes by computing with uninitialised memory."""


@cache
def keras() -> Any:
    """Keras 3 on the numpy backend."""
    os.environ["KERAS_BACKEND"] = "numpy"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own affairs
        import keras as real
    assert real.backend.backend() == "numpy", "Keras was imported before with another backend"
    return real


def keras_value(x: Any) -> np.ndarray[Any, Any]:
    """What Keras returned, as an array."""
    return np.asarray(keras().ops.convert_to_numpy(x))
