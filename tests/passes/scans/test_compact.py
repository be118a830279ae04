"""Masked recurrent ops run on kernels without masks, and give what they gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program, lower, specialise
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Value
from kgraph.ir.interpret import run
from kgraph.ir.types import Array
from kgraph.ir.verify import verify
from kgraph.ops.recurrent import gru, lstm, simple_rnn
from kgraph.ops.samples import floats
from kgraph.passes.scans.compact import CompactSteps
from tests.ops.checking import leaves_for

SIZE, UNITS = 2, 3
Build = Callable[..., tuple[Value, ...]]
# What builds the op, the number of gates, the shape of the bias, the number of states.
OPS: dict[str, tuple[Build, int, tuple[int, ...], int]] = {
    "lstm": (lstm, 4, (4 * UNITS,), 2),
    "gru": (gru, 3, (2, 3 * UNITS), 1),
    "gru-before": (partial(gru, reset_after=False), 3, (3 * UNITS,), 1),
    "simple_rnn": (simple_rnn, 1, (UNITS,), 1),
}
ROWS = [
    "11111", "00000", "10101", "01110", "00001", "10000", "11100", "00111",
]  # fmt: skip
MASKS = {
    "any": np.array([[mark == "1" for mark in row] for row in ROWS]),
    "everything": np.ones((2, 4), "bool"),
    "nothing": np.zeros((2, 4), "bool"),
    "one step": np.array([[True], [False]]),
    "one row": np.array([[False, True, False]]),
}
everything_native = CompactSteps(lambda op, dtype: True)


def operands(name: str, mask: Array, states: bool) -> tuple[Build, list[Array]]:
    build, gates, bias, count = OPS[name]
    batch, time = mask.shape
    wide = gates * UNITS
    shapes = [(batch, time, SIZE), (SIZE, wide), (UNITS, wide), bias]
    shapes += [(batch, UNITS)] * (count if states else 0)
    return build, [*(floats(*shape, low=-1, high=1) for shape in shapes), mask]


def function(build: Callable[..., Sequence[Value]], arrays: Sequence[Array], known: bool = True) -> Function:
    names = None
    if not known:
        names = [[""] * array.ndim for array in arrays]
        names[0], names[-1] = ["batch", "time", ""], ["batch", "time"]
        names[4:-1] = [["batch", ""] for _ in arrays[4:-1]]
    leaves = leaves_for(arrays, names)
    return Function("f", leaves, {f"y{i}": value for i, value in enumerate(build(*leaves))})


def counted(function: Function) -> Counter[str]:
    return Counter(call.op.name for call in function.calls())


def final(function: Function) -> Function:
    return lower(specialise(function, False), "onnx")[0]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", OPS)
def test_every_mask_gives_what_it_gave(name: str, mask: str, states: bool, reverse: bool) -> None:
    build, arrays = operands(name, MASKS[mask], states)

    def masked(*leaves: Value) -> Sequence[Value]:
        return build(*leaves[:-1], mask=leaves[-1], reverse=reverse)

    before = function(masked, arrays, known=False)
    wanted, _ = run(before, arrays)
    after = everything_native(before, Counter())
    verify(after)
    assert all(getattr(call.op, "steps", "") != "masked" for call in after.calls())
    for key, made in run(after, arrays)[0].items():
        np.testing.assert_allclose(made, wanted[key], rtol=1e-6, atol=1e-6, err_msg=key)
    with config.using(device="cpu", backend="onnx"):
        found = compile_program([before]).run("f", arrays)
    for key, made in zip(wanted, found, strict=True):
        np.testing.assert_allclose(made, wanted[key], rtol=1e-5, atol=1e-6, err_msg=key)


def test_no_scan_is_left() -> None:
    build, arrays = operands("lstm", MASKS["any"], states=True)
    made = counted(final(function(lambda *leaves: build(*leaves[:-1], mask=leaves[-1]), arrays)))
    assert made["lstm"] == 1
    assert not made["scan"] + made["transpose"] - 1  # of the positions: the rows come as they are needed


def test_without_a_kernel_the_scan_stays() -> None:
    build, arrays = operands("lstm", MASKS["any"], states=False)
    wide = [a.astype("float64") if a.dtype.kind == "f" else a for a in arrays]
    before = function(lambda *leaves: build(*leaves[:-1], mask=leaves[-1]), wide)
    assert [call.op.steps for call in final(before).calls() if call.op.name == "lstm"] == ["masked"]


def test_layers_on_top_of_each_other_move_steps_once() -> None:
    _, (*arrays, mask) = operands("gru", MASKS["any"], states=False)
    given = [*arrays, floats(UNITS, 3 * UNITS), mask]

    def stacked(*leaves: Value) -> Sequence[Value]:
        x, kernel, recurrent, bias, inner, mask = leaves
        y, _ = gru(x, kernel, recurrent, bias, mask=mask)
        return gru(y, inner, recurrent, bias, mask=mask, reverse=True)

    before = function(stacked, given)
    after = final(before)
    assert counted(after)["gru"] == 2
    assert counted(after)["gather"] == 2
    wanted, made = run(before, given)[0], run(after, given)[0]
    for key in wanted:
        np.testing.assert_allclose(made[key], wanted[key], rtol=1e-5, atol=1e-6)


def test_symbols_of_time_and_batch_may_be_sums() -> None:
    build, arrays = operands("simple_rnn", MASKS["any"], states=False)
    batch, time = symbol("batch"), symbol("time")
    leaves = leaves_for(arrays)
    x = Input("x", leaves[0].type.with_shape((2 * batch, time + 1, SIZE)))
    mask = Input("mask", leaves[-1].type.with_shape((2 * batch, time + 1)))
    made = build(x, *leaves[1:4], mask=mask)
    after = everything_native(Function("f", (x, *leaves[1:4], mask), {"y": made[0]}), Counter())
    verify(after)
    assert after.outputs["y"].type == made[0].type
