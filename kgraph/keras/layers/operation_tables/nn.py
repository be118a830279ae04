"""Operations of keras.ops.nn."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kgraph.ir.types import FLOATS
from kgraph.keras import activations
from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import Function, as_float, as_number, as_tensor
from kgraph.keras.tensor import Tensor


def _activation(function: Function) -> Function:
    return lambda x: function(as_float(x))


def _relu(x: Any) -> Tensor:
    found = as_tensor(x)
    return activations.relu(found) if found.dtype in FLOATS else K.maximum(as_number(found), 0)


NN: Mapping[str, Function] = MappingProxyType(
    {
        "Elu": lambda x, alpha=1.0: activations.elu(as_float(x), alpha),
        "Gelu": lambda x, approximate=True: activations.gelu(as_float(x), approximate),
        "HardSigmoid": _activation(activations.hard_sigmoid),
        "HardSilu": _activation(activations.hard_silu),
        "LeakyRelu": lambda x, negative_slope=0.2: activations.leaky_relu(as_float(x), negative_slope),
        "LogSoftmax": lambda x, axis=-1: activations.log_softmax(as_float(x), axis),
        "Relu": _relu,
        "Relu6": _activation(activations.relu6),
        "Selu": _activation(activations.selu),
        "Sigmoid": _activation(activations.sigmoid),
        "Silu": _activation(activations.silu),
        "Softmax": lambda x, axis=-1: activations.softmax(as_float(x), axis),
        "Softplus": _activation(activations.softplus),
        "Softsign": _activation(activations.softsign),
    }
)
