"""Cases for the operations of keras.ops.core, keras.ops.math and keras.ops.linalg."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.keras.saving.operation_cases.ways import Case

CORE: Mapping[str, Case] = {
    "Cast": lambda ops, f, i, b: [
        ops.cast(f * 2, "int32"),
        ops.cast(f, "bool"),
        ops.cast(i, "float32"),
        ops.cast(b, "int64"),
        ops.cast(f, "float16"),
        ops.cast(i, "bool"),
        ops.cast(b, "float32"),
    ],
    "ConvertToTensor": lambda ops, f, i, b: [
        ops.convert_to_tensor(f),
        ops.convert_to_tensor(i, dtype="float32"),
    ],
    "Erf": lambda ops, f, i, b: [ops.erf(f), ops.erf(f * 4)],
    "Logsumexp": lambda ops, f, i, b: [
        ops.logsumexp(f, axis=1),
        ops.logsumexp(f * 90, axis=-1, keepdims=True),
        ops.logsumexp(i, axis=2),
        ops.logsumexp(f[0], axis=None, keepdims=True),
    ],
    "Norm": lambda ops, f, i, b: [ops.norm(f[0], axis=None), ops.norm(i[0], axis=None, keepdims=True)],
    "Rsqrt": lambda ops, f, i, b: [ops.rsqrt(abs(f) + 0.1)],
    "StopGradient": lambda ops, f, i, b: [ops.stop_gradient(f), ops.stop_gradient(i)],
    "TopK": lambda ops, f, i, b: [
        *ops.top_k(
            f + np.array([0.011, 0.023, 0.037, 0.05], "float32"), 2
        ),  # equal ones are in no certain order
        ops.top_k(i, 1)[0],
        ops.top_k(f + i, 3, sorted=True)[0],
    ],
    "Unstack": lambda ops, f, i, b: [*ops.unstack(f, axis=1), *ops.unstack(i, 4, axis=-1)],
}
