"""Values of K functions: traced over inputs whose sizes vary, and interpreted by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kgraph.compiler import specialise
from kgraph.ir.graph import Function, Input
from kgraph.ir.interpret import run
from kgraph.keras import backend as K
from kgraph.keras.tensor import Tensor


def values(function: Callable[..., Any], *arrays: Any, training: bool = False, static: bool = False) -> Any:
    """What `function` of tensors gives for arrays; `static` makes all sizes known while tracing."""
    given = [np.asarray(array) for array in arrays]
    inputs = [
        K.placeholder(array.shape if static else (None,) * array.ndim, dtype=array.dtype.name)
        for array in given
    ]
    outputs = function(*inputs)
    single = isinstance(outputs, Tensor)
    named = {f"y{i}": tensor.value for i, tensor in enumerate([outputs] if single else outputs)}
    leaves = tuple(tensor.value for tensor in inputs if isinstance(tensor.value, Input))
    made, _ = run(specialise(Function("f", leaves, named), training), given)
    results = list(made.values())
    return results[0] if single else results
