"""A layer as one call, for those who lower it as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kgraph.ir.graph import Function, Input, Value
from kgraph.ir.op import Op, Sample, op
from kgraph.ir.types import TensorType
from kgraph.ops.elementwise import mul
from kgraph.ops.samples import floats


@op("layer_call")
class LayerCall(Op):
    """x0, x1, ... -> the outputs of `body` for them, one after the other.

    The operands are the tensors that the layer was called on, then its weights. `layer` is the layer itself, whose
    attributes a lowering may want; nothing here looks at it.
    """

    layer: Any = None
    body: Function = Function("empty", (), {})

    def decompose(self, *values: Value) -> tuple[Value, ...]:
        made = self.body.replace(dict(zip(self.body.inputs, values, strict=True)))
        return tuple(made.outputs.values())

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, w = Input("x", TensorType("float32", (2, 3))), Input("w", TensorType("float32", (3,)))
        yield Sample(cls("scaling", Function("scaling", (x, w), {"y": mul(x, w)})), (floats(2, 3), floats(3)))
