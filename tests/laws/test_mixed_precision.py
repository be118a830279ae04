"""The laws of mixed precision, over the samples of layers.

With the policy "mixed_float16" a layer gives what it gives in float32, as far as 11 bits go, in the dtype that Keras
gives; the onnx backend agrees with the interpreter; weights and their gradients are float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kgraph.compiler import compile_program
from kgraph.ir.graph import Function
from kgraph.ir.interpret import run
from kgraph.keras import dtype_policies
from kgraph.keras.layers.nodes import flatten
from kgraph.ops.pullback import pullback
from kgraph.ops.shape import full
from tests.laws.layer_sample import Sample
from tests.laws.layer_samples import SAMPLES
from tests.laws.test_layers import Traced, each_sample
from tests.oracle import keras, keras_value, needs_keras

# Relative to the largest number of an output: 11 bits, of which sums and several layers inside of one lose two.
CLOSE = 2.0**-9


@pytest.fixture
def mixed() -> Iterator[None]:
    dtype_policies.set_dtype_policy("mixed_float16")
    yield
    dtype_policies.set_dtype_policy(None)


def in_float32(sample: Sample) -> Traced:
    """The layer of a sample in full precision, with weights in general position."""
    before = dtype_policies.dtype_policy()
    dtype_policies.set_dtype_policy("float32")
    traced = Traced(sample)
    dtype_policies.set_dtype_policy(before)
    traced.randomize()
    return traced


def assert_close(found: Any, wanted: Any, name: str) -> None:
    bound = CLOSE * max(1.0, float(np.abs(wanted).max(initial=0.0)))
    np.testing.assert_allclose(found.astype("float32"), wanted, rtol=0, atol=bound, err_msg=name)


@pytest.mark.usefixtures("mixed")
@each_sample
def test_outputs_are_those_of_full_precision_to_eleven_bits(sample: Sample) -> None:
    whole, half = in_float32(sample), Traced(sample)
    half.layer.set_weights(whole.layer.get_weights())
    wanted, found = whole.run(), half.run()
    executed = compile_program([half.function]).run("layer", [array for _, array in half.feeds])
    for (name, array), output in zip(wanted.items(), executed, strict=True):
        if array.dtype == "float32":
            assert np.asarray(output).dtype == found[name].dtype
        assert_close(found[name], array, name)
        assert_close(np.asarray(output), array, name)


@needs_keras
@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.in_keras], ids=str)
def test_dtypes_are_those_of_keras(sample: Sample) -> None:
    real = keras()
    ours = Traced(sample)
    real.config.set_dtype_policy("mixed_float16")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = sample.make(real.layers)
            outputs = flatten(sample.apply(theirs, sample.inputs, sample.call))
    finally:
        real.config.set_dtype_policy("float32")
    assert [tensor.dtype for tensor in ours.outputs] == [keras_value(out).dtype.name for out in outputs]
    assert {w.variable.dtype for w in ours.layer.weights} == {str(w.dtype) for w in theirs.weights}


@pytest.mark.usefixtures("mixed")
@each_sample
def test_gradients_reach_the_weights_in_their_dtype(sample: Sample) -> None:
    traced = Traced(sample, training=True)
    traced.randomize()
    values = [value for name, value in traced.function.outputs.items() if name[0] == "y"]
    weights = [weight.variable for weight in traced.layer.trainable_weights]
    found = pullback(values, [full(value.shape, 1.0, value.dtype) for value in values], weights)
    gradients = {f"g{i}": value for i, value in enumerate(found) if value is not None}
    assert len(gradients) == len(weights)
    made, _ = run(Function("gradients", traced.function.inputs, gradients), [a for _, a in traced.feeds])
    for array, weight in zip(made.values(), weights, strict=True):
        assert array.dtype.name == weight.dtype
        assert np.isfinite(array).all()
