"""What the operations of Keras 3 compute, by the module and the name of their classes there.

A function takes the arguments of an operation's call and then its settings, all by the names that they have in Keras.
The semantics are NumPy's, with Keras's rules for dtypes (`operands`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kgraph.keras.layers.operation_tables.core import CORE, LINALG, MATH
from kgraph.keras.layers.operation_tables.elementwise import ELEMENTWISE
from kgraph.keras.layers.operation_tables.movement import MOVEMENT
from kgraph.keras.layers.operation_tables.nn import NN
from kgraph.keras.layers.operation_tables.operands import Function
from kgraph.keras.layers.operation_tables.product import PRODUCT
from kgraph.keras.layers.operation_tables.reduction import REDUCTION

MODULES: Mapping[str, Mapping[str, Function]] = MappingProxyType(
    {
        "keras.src.ops.numpy": {**ELEMENTWISE, **REDUCTION, **MOVEMENT, **PRODUCT},
        "keras.src.ops.nn": NN,
        "keras.src.ops.math": MATH,
        "keras.src.ops.linalg": LINALG,
        "keras.src.ops.core": CORE,
    }
)
