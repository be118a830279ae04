"""Operations of keras.ops.core."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kgraph.keras import backend as K
from kgraph.keras.layers.operation_tables.operands import Function, as_tensor

CORE: Mapping[str, Function] = MappingProxyType({"Cast": lambda x, dtype: K.cast(as_tensor(x), dtype)})
