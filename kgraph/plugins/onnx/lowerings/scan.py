"""The lowering of `ops/scan.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.ir.graph import Call, Value
from kgraph.ops.scan import Scan
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter, value_info

if TYPE_CHECKING:
    import onnx

TABLE = LoweringTable()


@TABLE.lowers(Scan)
def scan(emitter: Emitter, call: Call, operands: list[str]) -> list[str]:
    """ONNX Scan. Invariants are not operands there: the body reads them from the graph around it.

    What a step reshapes last is reshaped when all steps are done instead.
    """
    op = call.op
    assert isinstance(op, Scan)
    end = op.carries + op.sequences
    captured: dict[Value, str] = dict(zip(op.body.inputs[end:], operands[end:], strict=True))
    body = emitter.subgraph(op.body, op.body.name, captured, views=op.carries)
    direction = int(op.reverse)
    made = emitter.node_multi(
        "Scan",
        *operands[:end],
        outputs=len(call.results),
        body=body,
        num_scan_inputs=op.sequences,
        scan_input_directions=[direction] * op.sequences,
        scan_output_directions=[direction] * op.outputs or None,
    )
    described = zip(made, body.output, op.body.outputs.values(), call.results, strict=True)
    return [
        name if info.type == value_info("", step.type).type else _reshaped(emitter, name, info, stack)
        for name, info, step, stack in described
    ]


def _reshaped(emitter: Emitter, name: str, info: onnx.ValueInfoProto, stack: Value) -> str:
    """What all steps made, each in the shape that is described, as it is meant."""
    step = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
    if all(step):
        return emitter.reshape(name, (stack.shape[0], *step), stack.shape)
    return emitter.node("Reshape", name, emitter.reshape_target(stack.shape))
