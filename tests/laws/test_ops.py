"""The laws of ops, over all samples of all ops."""

from __future__ import annotations

import pytest

from kgraph.ir.op import Op, Sample, registry
from kgraph.testing import check_decomposition, check_gradient, check_second_order, check_types
from kgraph.testing.conformance import sample_params

OPS = [op for op in registry().values() if op.__module__.startswith("kgraph.")]

# Ops that a pass resolves before anything runs: they have no result of their own to sample.
RESOLVED = {"in_train_phase"}


@pytest.mark.parametrize("sample", sample_params())
def test_infer_says_what_evaluate_returns(sample: Sample) -> None:
    check_types(sample)


@pytest.mark.parametrize("sample", sample_params())
def test_decompose_computes_what_evaluate_does(sample: Sample) -> None:
    check_decomposition(sample)


@pytest.mark.parametrize("sample", sample_params())
def test_the_gradient_agrees_with_finite_differences(sample: Sample) -> None:
    check_gradient(sample)


@pytest.mark.parametrize("sample", sample_params())
def test_the_gradient_of_the_gradient_agrees_with_finite_differences(sample: Sample) -> None:
    check_second_order(sample)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_is_documented_and_sampled(op: type[Op]) -> None:
    assert op.__doc__
    assert op.name in RESOLVED or list(op.samples())
    assert op.name not in RESOLVED or not list(op.samples())


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_the_text_of_an_op_names_it(op: type[Op]) -> None:
    for sample in op.samples():
        assert str(sample.op).startswith(op.name)
        assert hash(sample.op) == hash(type(sample.op)(**sample.op.attributes()))
