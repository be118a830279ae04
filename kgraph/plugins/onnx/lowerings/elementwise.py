"""Lowerings of `ops/elementwise.py` and `ops/logic.py`."""

from __future__ import annotations

from kgraph.ir.graph import Call
from kgraph.ir.types import FLOATS
from kgraph.ops import control, elementwise, logic
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.emit import Emitter
from kgraph.plugins.onnx.lowerings.direct import direct

TABLE = LoweringTable()

for op, onnx_name in {
    elementwise.Add: "Add",
    elementwise.Sub: "Sub",
    elementwise.Mul: "Mul",
    elementwise.Div: "Div",
    elementwise.Pow: "Pow",
    elementwise.Maximum: "Max",
    elementwise.Minimum: "Min",
    elementwise.Neg: "Neg",
    elementwise.Abs: "Abs",
    elementwise.Sign: "Sign",
    elementwise.Floor: "Floor",
    elementwise.Ceil: "Ceil",
    elementwise.Round: "Round",
    elementwise.Exp: "Exp",
    elementwise.Log: "Log",
    elementwise.Sqrt: "Sqrt",
    elementwise.Reciprocal: "Reciprocal",
    elementwise.Sin: "Sin",
    elementwise.Cos: "Cos",
    elementwise.Clip: "Clip",
    logic.Equal: "Equal",
    logic.Less: "Less",
    logic.LessEqual: "LessOrEqual",
    logic.Greater: "Greater",
    logic.GreaterEqual: "GreaterOrEqual",
    logic.And: "And",
    logic.Or: "Or",
    logic.Not: "Not",
    logic.IsNan: "IsNaN",
    control.StopGradient: "Identity",
}.items():
    TABLE.add(op, direct(onnx_name))


@TABLE.lowers(elementwise.Mod)
def mod(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """Mod; that of floating-point numbers has the sign of a there: where b has the other, b is missing."""
    dtype = call.inputs[0].dtype
    if dtype not in FLOATS:
        return emitter.node("Mod", *operands, fmod=0)
    _, b = operands
    rest = emitter.node("Mod", *operands, fmod=1)
    signs = emitter.node("Mul", emitter.node("Sign", rest), emitter.node("Sign", b))
    differ = emitter.node("Less", signs, emitter.constant(0.0, dtype))
    return emitter.node("Where", differ, emitter.node("Add", rest, b), rest)


@TABLE.lowers(logic.Where)
def where(emitter: Emitter, call: Call, operands: list[str]) -> str:
    """Where; of Booleans, which onnxruntime has no Where for, condition and a or not condition and b."""
    if call.inputs[1].dtype != "bool":
        return emitter.node("Where", *operands)
    condition, a, b = operands
    return emitter.node(
        "Or", emitter.node("And", condition, a), emitter.node("And", emitter.node("Not", condition), b)
    )


@TABLE.lowers(logic.Cast)
def cast(emitter: Emitter, call: Call, operands: list[str]) -> str:
    return emitter.node("Cast", *operands, to=emitter.elem_type(call.op.dtype))  # type: ignore[attr-defined]  # a Cast
