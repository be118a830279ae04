"""How each operation of Keras 3 between layers is used: on floats `f`, integers `i`, flags `b`, all [batch, 3, 4].

Each case gives the outputs of one model. One module for each of `kgraph/keras/layers/operation_tables`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.keras.saving.operation_cases.core import CORE
from tests.keras.saving.operation_cases.elementwise import ELEMENTWISE
from tests.keras.saving.operation_cases.movement import MOVEMENT
from tests.keras.saving.operation_cases.nn import NN
from tests.keras.saving.operation_cases.product import PRODUCT
from tests.keras.saving.operation_cases.reduction import REDUCTION
from tests.keras.saving.operation_cases.ways import Case

CASES: Mapping[str, Case] = {**CORE, **ELEMENTWISE, **MOVEMENT, **NN, **PRODUCT, **REDUCTION}
