"""Mixed precision under the names that tf.keras and Keras 3 have for it."""

from __future__ import annotations

from kgraph.keras.dtype_policies import DTypePolicy, Policy, dtype_policy, set_dtype_policy
from kgraph.keras.optimizers import LossScaleOptimizer

global_policy, set_global_policy = dtype_policy, set_dtype_policy

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
