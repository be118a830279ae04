"""Running averages in place: when the pass takes an update, and that training with it keeps every bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kgraph import config, keras
from kgraph.compiler import compile_program
from kgraph.ir.graph import Function, Input, Value, Variable
from kgraph.ir.types import Array, TensorType
from kgraph.keras import layers
from kgraph.ops.broadcast import reshape
from kgraph.ops.elementwise import add, div, exp, mul, neg, sqrt, sub
from kgraph.ops.samples import floats
from kgraph.plugins.backend import CompileOptions, Program
from kgraph.plugins.onnx.backend import OnnxBackend
from kgraph.plugins.onnx.blocked.axpy import AxpyUpdates
from kgraph.plugins.onnx.device import convolution_block
from kgraph.plugins.onnx.emit import Target
from kgraph.plugins.onnx.lowerings import TABLE
from kgraph.plugins.onnx.model import build_model
from kgraph.testing import check_pass

SHAPE = (64, 512)
Update = Callable[[Value, Value, Value], Value]


def function_of(update: Update, shape: tuple[int, ...] = SHAPE, dtype: str = "float32") -> Function:
    """v' = update(v, g, s) for an array g and a number s."""
    v = Variable("v", floats(*shape).astype(dtype))
    g, s = Input("g", TensorType(dtype, shape)), Input("s", TensorType(dtype, ()))
    return Function("step", (g, s), {"twice": mul(g, 2.0)}, {v: update(v, g, s)})


def updates_taken(function: Function) -> int:
    hits: Counter[str] = Counter()
    AxpyUpdates()(function, hits)
    return hits["axpys"]


@pytest.mark.parametrize(
    "update",
    [
        lambda v, g, s: add(mul(v, 0.9), mul(g, g)),
        lambda v, g, s: add(mul(g, s), mul(0.9, v)),
        lambda v, g, s: add(mul(v, s), mul(g, 0.1)),
        lambda v, g, s: sub(mul(v, 0.9), mul(g, s)),
        lambda v, g, s: sub(mul(g, s), mul(v, 0.9)),
        lambda v, g, s: add(mul(g, 0.9), mul(v, v)),
        lambda v, g, s: add(mul(v, 0.9), g),
        lambda v, g, s: add(v, mul(g, g)),
        lambda v, g, s: sub(v, mul(g, s)),
        lambda v, g, s: sub(v, div(mul(s, g), sqrt(g))),
    ],
    ids=[
        "squares",
        "turned",
        "rate",
        "difference",
        "difference turned",
        "of the input",
        "average of the input",
        "sum",
        "step",
        "step by a root",
    ],
)
def test_a_running_average_is_made_in_place(update: Update) -> None:
    function = function_of(update)
    assert updates_taken(function) == 1
    check_pass(AxpyUpdates(), function, [floats(*SHAPE, low=0.1), floats()])
    model = build_model(AxpyUpdates()(function, Counter()), TABLE, Target(contrib=True, block=16), views=True)
    (written,) = model.written.values()
    assert list(written) == ["v.next", "v.begun"]
    assert {int(np.prod(shape)) for shape in written.values()} == {64 * 512}


@pytest.mark.parametrize(
    ("update", "shape", "dtype"),
    [
        (lambda v, g, s: add(v, g), SHAPE, "float32"),
        (lambda v, g, s: add(mul(v, 0.9), reshape(mul(reshape(g, (512, 64)), 2.0), SHAPE)), SHAPE, "float32"),
        (lambda v, g, s: add(mul(v, g), mul(g, g)), SHAPE, "float32"),
        (lambda v, g, s: sub(mul(v, 0.9), mul(g, g)), SHAPE, "float32"),
        (lambda v, g, s: sub(v, div(mul(g, g), sqrt(g))), SHAPE, "float32"),
        (lambda v, g, s: add(mul(v, 0.9), mul(g, g)), SHAPE, "float64"),
        (lambda v, g, s: add(mul(v, 0.9), mul(g, g)), (32, 512), "float32"),
        (lambda v, g, s: add(mul(v, 0.9), mul(g, g)), (199, 200), "float32"),
    ],
    ids=["sum", "reshaped", "product", "not scaled", "no factor", "float64", "small", "indivisible"],
)
def test_other_updates_stay_as_they_are(update: Update, shape: tuple[int, ...], dtype: str) -> None:
    assert updates_taken(function_of(update, shape, dtype)) == 0


def test_what_others_read_is_not_written_over() -> None:
    g = Input("g", TensorType("float32", SHAPE))
    v, z = Variable("v", floats(*SHAPE)), mul(g, g)
    update = add(mul(v, 0.9), z)
    assert updates_taken(Function("step", (g,), {}, {v: update})) == 1
    assert updates_taken(Function("step", (g,), {"z": z}, {v: update})) == 0
    assert updates_taken(Function("step", (g,), {"y": add(z, 1.0)}, {v: update})) == 0


@pytest.mark.parametrize("shown", [False, True])
def test_two_variables_of_one_value_and_an_output_get_it(shown: bool) -> None:
    g = Input("g", TensorType("float32", SHAPE))
    v, w = Variable("v", floats(*SHAPE)), Variable("w", np.zeros(SHAPE, "float32"))
    new = add(mul(v, 0.5), mul(g, g))
    start, data = v.storage.read(), floats(*SHAPE)
    function = Function("step", (g,), {"new": new} if shown else {"g": mul(g, 2.0)}, {v: new, w: new})
    model = build_model(AxpyUpdates()(function, Counter()), TABLE, Target(contrib=True, block=16), views=True)
    assert [len(written) for written in model.written.values()] == [2, 1]
    with config.using(backend="onnx", device="cpu"):
        executable = compile_program([function])
    for _ in range(3):
        (got,) = executable.run("step", [data])
        start = start * np.float32(0.5) + data * data
        assert np.array_equal(v.storage.read(), start)
        assert np.array_equal(w.storage.read(), start)
        assert np.array_equal(got, start if shown else data * 2)


def test_the_runtime_gives_an_equal_value_no_second_reader() -> None:
    """Turned round, g s is what `other` is: one node of both would be read after it has been written over."""
    g, s = Input("g", TensorType("float32", SHAPE)), Input("s", TensorType("float32", ()))
    v = Variable("v", floats(*SHAPE))
    start, data, rate = v.storage.read(), floats(*SHAPE), np.float32(0.3)
    other, new = mul(g, neg(s)), sub(mul(v, 0.5), mul(g, s))
    function = Function("step", (g, s), {"y": add(exp(other), mul(new, 0.0))}, {v: new})
    taken = AxpyUpdates()(function, Counter())
    executable = OnnxBackend().compile(Program({"step": taken}), CompileOptions(device="cpu"))
    (got,) = executable.run("step", [data, np.asarray(rate)])
    assert np.array_equal(v.storage.read(), start * np.float32(0.5) - data * rate)
    np.testing.assert_allclose(got, np.exp(-data * rate), rtol=1e-6)


def test_a_step_that_others_read_is_not_turned() -> None:
    g = Input("g", TensorType("float32", SHAPE))
    v, step = Variable("v", floats(*SHAPE)), mul(g, 0.1)
    quotient = div(step, sqrt(g))
    assert updates_taken(Function("step", (g,), {}, {v: sub(v, quotient)})) == 1
    assert updates_taken(Function("step", (g,), {"step": step}, {v: sub(v, quotient)})) == 0
    assert updates_taken(Function("step", (g,), {"step": step}, {v: sub(v, step)})) == 0


def trained(optimizer: str, passes: str, width: int = 256) -> list[Array]:
    with config.using(backend="onnx", device="cpu", passes=passes):
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [layers.Dense(256, activation="relu", input_shape=(width,)), layers.Dropout(0.2), layers.Dense(4)]
        )
        model.compile(optimizer, "mse")
        x, y = floats(40, width), floats(40, 4)
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        model.train_on_batch(x[:7], y[:7])
        return [*model.get_weights(), *model.optimizer.get_weights(), model.predict(x, verbose=0)]


@pytest.mark.parametrize("width", [256, 3072], ids=["whole", "tiled"])
@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "nadam", "adadelta"])
def test_training_keeps_every_bit(optimizer: str, width: int) -> None:
    kept = trained(optimizer, "", width), trained(optimizer, "-axpy_updates", width)
    for got, want in zip(*kept, strict=True):
        assert np.array_equal(got, want)


def test_training_uses_it_where_the_machine_has_the_kernels(tmp_path: Path) -> None:
    with config.using(dump=tmp_path):
        trained("rmsprop", "")
        trained("adam", "", 3072)
    lines = (tmp_path / "passes.txt").read_text().splitlines()
    done = [line.split("axpys ")[1] for line in lines if "axpy_updates" in line and "axpys" in line]
    assert done == (["2", "3"] if convolution_block() else [])
