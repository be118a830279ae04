"""Passes on scans keep the meaning, and leave in the loop what has to be there and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import compile_program, final_passes, specialise
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input, Value, Variable
from kgraph.ir.interpret import run
from kgraph.ir.types import Array, TensorType
from kgraph.ir.verify import verify
from kgraph.ops.activations import relu, softmax, tanh
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add, clip, mul, neg, sub
from kgraph.ops.linalg import matmul
from kgraph.ops.logic import cast, greater, where
from kgraph.ops.recurrent import gru, lstm, simple_rnn
from kgraph.ops.reduce import reduce_max, reduce_mean, reduce_sum
from kgraph.ops.samples import bools, floats
from kgraph.ops.scan import Scan, scan
from kgraph.ops.shape import Gather, concat, expand_dims, index_axis, pad, slice_axis, split, transpose
from kgraph.passes.autodiff import gradients
from kgraph.passes.base import Pass
from kgraph.passes.cse import ShareEqualCalls
from kgraph.passes.pipeline import Observer, run_pipeline
from kgraph.passes.scans.factor import FactorScans
from kgraph.passes.scans.hoist import HoistFromScans
from kgraph.passes.scans.last import ReadLastStep
from kgraph.passes.scans.prune import PruneScans
from kgraph.passes.scans.reuse import ReuseProducts
from kgraph.plugins.builtin import default_manager
from tests.ops.checking import leaves_for, step_function

Slices = Sequence[Value]
T, B, D, U = 5, 3, 4, 4


def scans(function: Function) -> list[Scan]:
    return [call.op for call in function.calls() if isinstance(call.op, Scan)]


def in_loop(function: Function) -> list[list[str]]:
    """The names of the ops in the body of each scan."""
    return [[call.op.name for call in op.body.calls()] for op in scans(function)]


def assert_same_meaning(before: Function, after: Function, arrays: Sequence[Array]) -> None:
    verify(after)
    wanted, _ = run(before, arrays)
    made, _ = run(after, arrays)
    assert list(made) == list(wanted)
    for name, want in wanted.items():
        np.testing.assert_allclose(made[name], want, rtol=1e-10, atol=1e-10, err_msg=name)


def apply(step: Pass, function: Function) -> Function:
    return run_pipeline(function, [step], Observer(verify=True))


def positions(x: Value) -> Value:
    """Indices into four rows, one for each row of x."""
    return cast(clip(reduce_sum(x, (1,)), 0.0, 3.0), "int32")


MOVABLE: dict[str, Callable[[Value, Value], Value]] = {
    "product": lambda x, w: matmul(x, w),
    "transposed product": lambda x, w: transpose(matmul(w, x, False, True)),
    "product of slices": lambda x, w: matmul(matmul(x, x, False, True), x),
    "elementwise": lambda x, w: relu(add(mul(x, 2.0), index_axis(w, 0, 1))),
    "clip": lambda x, w: clip(x, -1.0, 1.0),
    "lower rank": lambda x, w: mul(x, expand_dims(reduce_sum(x, 1), 1)),
    "row": lambda x, w: add(x, index_axis(x, 0, 0)),
    "softmax": lambda x, w: softmax(x, 1),
    "reductions": lambda x, w: sub(x, reduce_max(x, (-1,), keepdims=True)),
    "pieces": lambda x, w: concat(split(x, [1, 3], 1)[::-1], -1),
    "concat with an invariant": lambda x, w: slice_axis(concat([x, w], 0), 0, 2, 2 + B),
    "slice and pad": lambda x, w: pad(slice_axis(x, 1, 1, 3), [(0, 0), (1, 1)], 0.5),
    "transpose": lambda x, w: slice_axis(transpose(concat([transpose(x), w], 1)), 0, 0, B),
    "table": lambda x, w: Gather(0)(w, positions(x)),
}


@pytest.mark.parametrize("movable", MOVABLE.values(), ids=MOVABLE)
def test_what_needs_no_carry_moves_out(movable: Callable[[Value, Value], Value]) -> None:
    def build(x: Value, h: Value, w: Value) -> Sequence[Value]:
        def step(carries: Slices, slices: Slices) -> tuple[list[Value], list[Value]]:
            return [tanh(add(carries[0], movable(slices[0], w)))], []

        last, _ = scan(step, [h], [x], reverse=True)
        return last

    arrays = [floats(T, B, D, dtype="float64"), floats(B, D, dtype="float64"), floats(D, D, dtype="float64")]
    leaves = leaves_for(arrays)
    function = apply(PruneScans(), Function("f", leaves, {"y": build(*leaves)[0]}))
    moved = apply(HoistFromScans(), function)
    assert in_loop(moved) == [["add", "tanh"]]
    assert_same_meaning(function, moved, arrays)


def test_outputs_that_need_no_carry_leave_the_scan_altogether() -> None:
    x, h = (Input(n, TensorType("float64", s)) for n, s in (("x", (T, B, D)), ("h", (B, D))))

    def step(carries: Slices, slices: Slices) -> tuple[list[Value], list[Value]]:
        return [add(carries[0], slices[0])], [slices[0], tanh(slices[0]), h, carries[0]]

    (last,), outputs = scan(step, [h], [x])
    function = Function("f", (x, h), {"last": last, **{str(i): v for i, v in enumerate(outputs)}})
    moved = apply(HoistFromScans(), function)
    assert_same_meaning(function, moved, [floats(T, B, D, dtype="float64"), floats(B, D, dtype="float64")])
    assert moved.outputs["0"] is x
    (op,) = scans(apply(PruneScans(), moved))
    assert list(op.body.outputs.values())[1] is op.body.inputs[0]
    assert op.outputs == 1

    mapped = Function("f", (x, h), {"y": scan(lambda c, s: ([], [tanh(s[0])]), [], [x])[1][0]})
    assert [call.op.name for call in apply(HoistFromScans(), mapped).calls()] == ["tanh"]


def test_results_that_would_be_larger_than_their_operands_stay() -> None:
    x, y, h = (
        Input(n, TensorType("float64", s)) for n, s in (("x", (T, B, 1)), ("y", (T, 1, D)), ("h", (B, D)))
    )

    def step(carries: Slices, slices: Slices) -> tuple[list[Value], list[Value]]:
        return [add(carries[0], mul(slices[0], slices[1]))], []

    (last,), _ = scan(step, [h], [x, y])
    function = apply(PruneScans(), Function("f", (x, y, h), {"last": last}))
    assert apply(HoistFromScans(), function) is function


def test_prune_drops_what_nobody_reads() -> None:
    x, h, c = (
        Input(n, TensorType("float64", s)) for n, s in (("x", (T, B, D)), ("h", (B, D)), ("c", (B, D)))
    )

    def step(carries: Slices, slices: Slices) -> tuple[list[Value], list[Value]]:
        h, c = carries
        return [tanh(add(h, slices[0])), add(c, mul(h, slices[1]))], [h, neg(c)]

    (last_h, last_c), (sequence, _) = scan(step, [h, c], [x, x])
    both = Function("f", (x, h, c), {"h": last_h, "c": last_c, "s": sequence})
    arrays = [floats(T, B, D, dtype="float64"), floats(B, D, dtype="float64"), floats(B, D, dtype="float64")]
    pruned = apply(PruneScans(), both)
    (op,) = scans(pruned)
    assert (op.carries, op.sequences, op.outputs) == (2, 1, 1)
    assert_same_meaning(both, pruned, arrays)
    assert apply(PruneScans(), pruned) is pruned

    only_h = Function("f", (x, h, c), {"h": last_h})
    pruned = apply(PruneScans(), only_h)
    (op,) = scans(pruned)
    assert (op.carries, op.sequences, op.outputs) == (1, 1, 0)
    assert_same_meaning(only_h, pruned, arrays)


def test_prune_follows_what_it_dropped_upstream() -> None:
    x, h = (Input(n, TensorType("float64", s)) for n, s in (("x", (T, B, D)), ("h", (B, D))))
    _, (first,) = scan(lambda c, s: ([add(c[0], s[0])], [c[0]]), [h], [x])
    _, (unread, read) = scan(lambda c, s: (c, [tanh(s[0]), tanh(s[1])]), [h], [first, x])
    del unread
    function = Function("f", (x, h), {"y": read})
    assert len(scans(apply(PruneScans(), function))) == 1


FACTORED: dict[str, tuple[Callable[[Value, Value, Value], Value], list[str]]] = {
    "chain": (lambda h, a, b: mul(mul(a, h), b), ["mul"]),
    "sum": (lambda h, a, b: add(h, mul(h, a)), ["mul"]),
    "difference": (lambda h, a, b: sub(mul(h, b), neg(mul(a, h))), ["mul"]),
    "mask": (lambda h, a, b: where(greater(a, 0.0), mul(h, b), 0.0), ["mul"]),
    "other mask": (
        lambda h, a, b: add(where(greater(a, 0.0), 0.0, h), where(greater(a, 0.0), mul(h, b), 0.0)),
        ["mul"],
    ),
    "join": (
        lambda h, a, b: reduce_sum(reshape(concat([mul(mul(h, a), b), h], 1), (B, 2, D)), 1),
        ["mul", "concat"],
    ),
}


@pytest.mark.parametrize(("linear", "left"), FACTORED.values(), ids=FACTORED)
def test_factors_are_gathered(linear: Callable[[Value, Value, Value], Value], left: list[str]) -> None:
    def build(x: Value, y: Value, h: Value) -> Function:
        last, outputs = scan(lambda c, s: ([linear(c[0], s[0], s[1])], [c[0]]), [h], [x, y])
        return Function("f", leaves, {"last": last[0], "h": outputs[0]})

    arrays = [floats(*shape, dtype="float64") for shape in ((T, B, D), (T, B, D), (B, D))]
    arrays[1] = arrays[1] * 0.7
    leaves = leaves_for(arrays)
    function = apply(PruneScans(), build(*leaves))
    factored = apply(FactorScans(), function)
    assert_same_meaning(function, factored, arrays)
    moved = apply(HoistFromScans(), factored)
    assert [name for name in in_loop(moved)[0] if name not in ("reshape", "reduce_sum")] == left
    assert_same_meaning(function, moved, arrays)


def test_a_step_without_products_stays_as_it_is() -> None:
    x, h = (Input(n, TensorType("float64", s)) for n, s in (("x", (T, B, D)), ("h", (B, D))))
    (last,), _ = scan(lambda c, s: ([mul(tanh(c[0]), s[0])], []), [h], [x])
    function = Function("f", (x, h), {"y": last})
    assert FactorScans()(function, Counter()) is function


def test_products_of_a_step_are_read_again() -> None:
    """a and b are outputs of a scan whose step makes a b."""
    x, h = (Input(n, TensorType("float64", s)) for n, s in (("x", (T, B, D)), ("h", (B, D))))

    def step(carries: Slices, slices: Slices) -> tuple[list[Value], list[Value]]:
        a, b = tanh(slices[0]), tanh(carries[0])
        return [add(carries[0], mul(a, b))], [a, b]

    _, (a, b) = scan(step, [h], [x])
    outputs = {"gate": mul(b, mul(a, sub(1.0, a))), "tanh": mul(sub(1.0, mul(b, b)), a)}
    function = Function("f", (x, h), outputs)
    after = apply(PruneScans(), apply(ReuseProducts(), function))
    assert_same_meaning(function, after, [floats(T, B, D, dtype="float64"), floats(B, D, dtype="float64")])
    assert Counter(call.op.name for call in after.calls()) == {"scan": 1, "mul": 2, "sub": 2}
    assert scans(after)[0].outputs == 3


def test_products_that_are_carried_on_are_not_copied_out() -> None:
    x, h = (Input(n, TensorType("float64", s)) for n, s in (("x", (T, B, D)), ("h", (B, D))))

    def step(carries: Slices, slices: Slices) -> tuple[list[Value], list[Value]]:
        a, b = tanh(slices[0]), tanh(carries[0])
        return [mul(a, b)], [a, b]

    _, (a, b) = scan(step, [h], [x], keep=False)
    function = Function("f", (x, h), {"y": mul(b, mul(a, sub(1.0, a)))})
    assert ReuseProducts()(function, Counter()) is function


@pytest.fixture(params=["joined", "apart"])
def joined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether input and state are multiplied together at each step, as where weights are small."""
    if request.param == "apart":
        monkeypatch.setattr("kgraph.passes.scans.expand.SMALL", 0)
    return bool(request.param == "joined")


def test_a_gradient_reads_no_carry_of_cells(joined: bool) -> None:
    """c f (1 - f) is made of the c f of the forward step, so that c is not copied out at each step."""
    _, after, _ = training_step("lstm", masked=False, last_only=False)
    body = scans(after)[0].body
    carried = [leaf.name for leaf in body.inputs[:2] if leaf in body.outputs.values()]
    assert carried == ([] if joined else ["carry0"])


LAYERS = {
    "lstm": (lstm, 4, (4 * U,)),
    "gru": (gru, 3, (2, 3 * U)),
    "simple_rnn": (simple_rnn, 1, (U,)),
}


def training_step(name: str, masked: bool, last_only: bool) -> tuple[Function, Function, list[Array]]:
    """Results and gradients of a layer, before and after the whole pipeline."""
    build, gates, bias = LAYERS[name]
    shapes = [(B, T, D), (D, gates * U), (U, gates * U), bias]
    arrays = [floats(*shape, low=-1, high=1, dtype="float64") for shape in shapes]
    if masked:
        arrays.append(bools(B, T))
    leaves = leaves_for(arrays)

    def results(*operands: Value) -> Sequence[Value]:
        made = build(*operands[:4], mask=operands[4] if masked else None)
        forward = Function("forward", leaves, {"y": made[1] if last_only else made[0]})
        return list(specialise(forward, training=True).outputs.values())

    before = step_function(results, leaves)
    backend = default_manager().backend("onnx")
    after = run_pipeline(before, final_passes(backend, {}), Observer(verify=True))
    return before, after, arrays


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.usefixtures("joined")
def test_training_steps_keep_their_meaning(name: str, masked: bool, last_only: bool) -> None:
    before, after, arrays = training_step(name, masked, last_only)
    assert len(scans(after)) == 2
    assert_same_meaning(before, after, arrays)


@pytest.mark.parametrize(
    ("name", "masked", "calls"),
    [("lstm", False, 9), ("lstm", True, 13), ("gru", False, 10), ("simple_rnn", False, 2)],
)
@pytest.mark.usefixtures("joined")
def test_little_is_left_in_the_loop_of_a_gradient(name: str, masked: bool, calls: int) -> None:
    _, after, _ = training_step(name, masked, last_only=True)
    assert len(in_loop(after)[1]) == calls, in_loop(after)[1]


def test_weight_gradients_are_products_over_all_steps(joined: bool) -> None:
    """One for kernel, recurrent kernel and bias where they are joined; that of the input comes after the loop too."""
    _, after, _ = training_step("lstm", masked=False, last_only=True)
    assert [op.carries for op in scans(after)] == [2, 2]
    products = [sum(name in ("matmul", "gemm") for name in names) for names in in_loop(after)]
    assert products == ([4, 1] if joined else [1, 1])
    outside = Counter(call.op.name for call in after.calls())
    # Apart: forward and back again for the kernel, one for the gradient of each kernel; that of the bias is a sum.
    assert outside["matmul"] + outside["gemm"] == (2 if joined else 4)


def test_expansion_is_for_training_only() -> None:
    leaves = leaves_for([floats(B, T, D), floats(D, 4 * U), floats(U, 4 * U)])
    function = Function("f", leaves, {"y": lstm(*leaves)[1]})
    names = {
        training: [c.op.name for c in specialise(function, training).calls()] for training in (True, False)
    }
    assert "scan" in names[True]
    assert "lstm" in names[False]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("symbolic", [False, True])
def test_the_last_output_is_read_from_the_carries(symbolic: bool, reverse: bool) -> None:
    arrays = [floats(T, B, D, dtype="float64"), floats(B, D, dtype="float64"), bools(T, B, 1)]
    x, h, mask = leaves_for(arrays, [["time", "", ""], ["", ""], ["time", "", ""]] if symbolic else None)

    def step(carries: Slices, slices: Slices) -> tuple[list[Value], list[Value]]:
        new = tanh(add(carries[0], slices[0]))
        output = where(slices[1], new, carries[0])
        return [where(slices[1], new, carries[0])], [output, neg(output)]

    _, (outputs, negated) = scan(step, [h], [x, mask], reverse=reverse)
    last = 0 if reverse else outputs.shape[0] - 1
    before = Function(
        "f", (x, h, mask), {"last": index_axis(outputs, 0, last), "negated": index_axis(negated, 0, last)}
    )
    after = apply(PruneScans(), apply(ReadLastStep(), apply(ShareEqualCalls(), before)))
    assert_same_meaning(before, after, arrays)
    (op,) = scans(after)
    assert op.outputs == 1

    other = Function("f", (x, h, mask), {"other": index_axis(outputs, 0, 2)})
    shared = apply(ShareEqualCalls(), other)
    assert apply(ReadLastStep(), shared) is shared


def test_training_with_sgd_goes_the_same_way_on_both_backends() -> None:
    """Twenty steps of a stacked network: the losses fall, and agree."""
    x = floats(16, 6, 3)
    target = np.tanh(x.sum((1, 2), keepdims=True)[:, 0]).astype("float32")
    losses = {name: train(name, x, target) for name in ("reference", "onnx")}
    np.testing.assert_allclose(losses["onnx"], losses["reference"], rtol=1e-4, atol=1e-6)
    assert losses["onnx"][-1] < 0.5 * losses["onnx"][0]


def train(backend: str, x: Array, target: Array) -> list[float]:
    """The losses of twenty steps, with symbolic batch and time."""
    batch, time = symbol("batch"), symbol("time")
    inputs = Input("x", TensorType("float32", (batch, time, 3)))
    wanted = Input("y", TensorType("float32", (batch, 1)))
    weights = [
        Variable(f"w{i}", 0.5 * floats(*shape))
        for i, shape in enumerate([(3, 16), (4, 16), (16,), (4, 12), (4, 12), (2, 12), (4, 1)])
    ]
    sequence, _, _ = lstm(inputs, *weights[:3])
    _, last = gru(sequence, *weights[3:6], reverse=True)
    error = sub(matmul(last, weights[6]), wanted)
    forward = Function("train", (inputs, wanted), {"loss": reduce_mean(mul(error, error))})
    forward = specialise(forward, training=True)
    loss = forward.outputs["loss"]
    slopes = gradients(loss, weights)
    updates = {w: sub(w, mul(slope, 0.3)) for w, slope in zip(weights, slopes, strict=True)}
    with config.using(backend=backend, device="cpu"):
        program = compile_program([Function("train", forward.inputs, {"loss": loss}, updates)])
        return [float(program.run("train", [x, target])[0]) for _ in range(20)]
