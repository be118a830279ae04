"""Sharing, folding, phases, decomposition, and how the pipeline reports a broken pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from kgraph.errors import PassError, PluginError, UnsupportedError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Constant, Function, Input, Value, Variable, constant, scope
from kgraph.ir.op import Op
from kgraph.ops.activations import Swish, gelu, softplus, swish
from kgraph.ops.broadcast import broadcast_to
from kgraph.ops.control import in_train_phase
from kgraph.ops.elementwise import Add, add, exp, mul, neg
from kgraph.ops.scan import scan
from kgraph.ops.shape import full
from kgraph.passes.base import Pass, register
from kgraph.passes.cse import ShareEqualCalls
from kgraph.passes.decompose import Decompose
from kgraph.passes.fold import FoldConstants
from kgraph.passes.nested import apply_everywhere
from kgraph.passes.phase import SpecialisePhase
from kgraph.passes.pipeline import Observer, run_pipeline
from kgraph.passes.rewrite import f32
from tests.passes.show import after, lines

BATCH = symbol("batch")
X = {"x": f32(BATCH, 3)}


def test_equal_calls_are_made_once() -> None:
    text = after(lambda x: add(mul(exp(x), 2.0), mul(exp(x), 2.0)), ShareEqualCalls(), **X)
    assert text == ["%0 = exp x", "%1 = mul %0, 2.0:float32[]", "%2 = add %1, %1", "return y=%2"]


def test_large_constants_are_shared_by_identity_and_small_ones_by_value() -> None:
    def build(x: Value, numbers: Callable[[], Constant]) -> Value:
        return add(mul(x, numbers()), mul(x, numbers()))

    def count(numbers: Callable[[], Constant]) -> int:
        return len(after(lambda x: build(x, numbers), ShareEqualCalls(), x=f32(100))) - 1

    one = constant(np.ones(100, "float32"))
    assert count(lambda: constant(3.0, "float32")) == 2
    assert count(lambda: constant(np.ones(100, "float32"))) == 3
    assert count(lambda: one) == 2


def test_constants_of_another_dtype_or_sign_of_zero_are_other_constants() -> None:
    def build(x: Value) -> tuple[Value, Value]:
        return mul(x, constant(0.0, "float32")), mul(x, constant(-0.0, "float32"))

    assert len(after(build, ShareEqualCalls(), **X)) == 3


def test_what_depends_on_constants_is_computed() -> None:
    text = after(lambda x: add(x, exp(neg(constant(0.0, "float32")))), FoldConstants(), **X)
    assert text == ["%0 = add x, 1.0:float32[]", "return y=%0"]


def test_a_result_much_larger_than_its_operands_is_not_stored() -> None:
    def build(x: Value) -> Value:
        return add(x, exp(broadcast_to(constant(1.0, "float32"), (1000, 1000))))

    assert len(after(build, FoldConstants(), x=f32(1000, 1000))) == 4


def test_symbolic_sizes_are_not_folded() -> None:
    text = after(lambda x: add(x, full((BATCH, 3), 2.0, "float32")), FoldConstants(), **X)
    assert text[0].startswith("%0 = broadcast_to")


@pytest.mark.parametrize(("training", "expected"), [(True, "%0 = exp x"), (False, "%0 = neg x")])
def test_a_phase_leaves_one_side_alone(training: bool, expected: str) -> None:
    text = after(lambda x: in_train_phase(exp(x), neg(x)), SpecialisePhase(training), **X)
    assert text == [expected, "return y=%0"]


def test_a_smaller_side_is_broadcast_to_the_type_that_was_promised() -> None:
    text = after(lambda x: in_train_phase(constant(1.0, "float32"), x), SpecialisePhase(True), **X)
    assert text == ["%0 = broadcast_to(shape=(batch, 3)) 1.0:float32[]", "return y=%0"]


def decompose(*kept: type[Op]) -> Decompose:
    return Decompose(lambda op: not op.is_composite() or isinstance(op, kept), "the toy")


def test_composite_ops_become_simple_ones_unless_supported() -> None:
    assert after(lambda x: swish(x), decompose(), **X) == [
        "%0 = sigmoid x",
        "%1 = mul x, %0",
        "return y=%1",
    ]
    assert after(lambda x: swish(x), decompose(Swish), **X) == ["%0 = swish x", "return y=%0"]


def test_decomposition_reaches_through_several_levels_and_into_bodies() -> None:
    x, start = Input("x", f32(BATCH, 5)), Input("start", f32(5))
    last, _ = scan(lambda c, s: ([add(c[0], gelu(softplus(s[0])))], []), [start], [x])
    hits: Counter[str] = Counter()
    made = apply_everywhere(decompose(), Function("f", (start, x), {"y": last[0]}), hits)
    (body,) = [v for call in made.calls() for v in call.op.attributes().values() if isinstance(v, Function)]
    assert not [call for call in body.calls() if call.op.is_composite()]
    assert {"gelu", "softplus"} <= set(hits)


def test_a_primitive_that_is_not_supported_is_named_with_its_layer() -> None:
    x = Input("x", f32(3))
    with scope("model/dense"):
        y = softplus(x)
    only_add = Decompose(lambda op: isinstance(op, Add), "the toy")
    with pytest.raises(UnsupportedError) as caught:
        only_add(Function("f", (x,), {"y": y}), Counter())
    message = str(caught.value)
    assert "the toy has no lowering for" in message
    assert "in model/dense" in message


@dataclass(frozen=True)
class Forgetful(Pass):
    """Drops an input that is still used."""

    name = "forgetful"

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        return Function(function.name, (), function.outputs)


def test_a_pass_that_breaks_a_function_is_named() -> None:
    x = Input("x", f32(3))
    function = Function("f", (x,), {"y": neg(x)})
    with pytest.raises(PassError, match="'forgetful' left an invalid function") as caught:
        run_pipeline(function, [FoldConstants(), Forgetful()], Observer(verify=True))
    assert "disconnected: input 'x'" in str(caught.value)


def test_two_passes_cannot_share_a_name() -> None:
    with pytest.raises(PluginError, match="two passes are named 'simplify'"):
        register("simplify")(Forgetful)


def test_updates_are_rewritten_like_outputs() -> None:
    count = Variable("count", np.zeros((), "float32"))
    one = add(constant(0.5, "float32"), 0.5)
    function = Function("f", (), {}, {count: add(count, one)})
    assert lines(FoldConstants()(function, Counter())) == [
        "@count: float32[] weight",
        "%0 = add @count, 1.0:float32[]",
        "return",
        "update @count = %0",
    ]


def test_bodies_are_rewritten_and_untouched_ones_kept() -> None:
    x, start = Input("x", f32(BATCH, 5)), Input("start", f32(5))
    last, _ = scan(lambda c, s: ([add(c[0], exp(s[0]))], []), [start], [x])
    function = Function("f", (start, x), {"y": last[0]})
    assert apply_everywhere(FoldConstants(), function, Counter()) is function
