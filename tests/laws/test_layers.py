"""The laws of layers, over samples of every one that is exported.

A configuration makes the same layer again; shapes as traced are shapes as run; the interpreter and the onnx backend
agree; the output of one sample does not depend on the batch; it is what Keras gives from the same weights, and so is
the mask; weights have gradients; models export.
"""

from __future__ import annotations

import inspect
import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from kgraph.compiler import compile_program, lower, specialise
from kgraph.ir.dims import Shape, bind_shape, evaluate_shape, symbol
from kgraph.ir.graph import Function, Input
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ir.verify import verify
from kgraph.keras import layers
from kgraph.keras.export import export
from kgraph.keras.layers.nodes import flatten
from kgraph.keras.models import Model
from kgraph.keras.selfcheck import HALF, check_file
from kgraph.keras.tensor import Tensor
from kgraph.ops.pullback import pullback
from kgraph.ops.shape import full
from kgraph.passes.adapt import fix_sizes
from kgraph.passes.half import halve, measure
from kgraph.plugins.onnx.export import inference_model, write_model
from tests.laws.layer_sample import BATCH, Sample
from tests.laws.layer_samples import SAMPLES
from tests.oracle import keras, keras_value, needs_keras

Array = np.ndarray[Any, Any]

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=str)

# Bases, and layers that have no configuration of their own to sample.
ABSTRACT = {"Layer", "InputLayer", "Wrapper"}

# Layers that must know every size of what they are called on.
WHOLE = (
    layers.Flatten, layers.Reshape, layers.PReLU, layers.TimeDistributed, layers.LocallyConnected1D,
    layers.LocallyConnected2D,
)  # fmt: skip


class Traced:
    """A layer applied to placeholders for the arrays of a sample, and the function that came of it."""

    def __init__(
        self, sample: Sample, layer: Any = None, known: bool = False, training: bool = False
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Merge itself is one
            self.layer = sample.make(layers) if layer is None else layer
        known = known or sample.sized or bool(getattr(self.layer, "unroll", False))
        self.feeds: list[tuple[Tensor, Array]] = []

        def placeholder(array: Array, keep: int = 1) -> Tensor:
            batch = symbol("batch") if sample.batch is None else sample.batch
            shape = (batch, *(array.shape[1:] if known else _variable(array.shape, keep)))
            tensor = Tensor(Input(f"x{len(self.feeds)}", TensorType(array.dtype.name, shape)))
            self.feeds.append((tensor, array))
            return tensor

        inputs = [placeholder(array, _kept_axis(self.layer, array)) for array in sample.inputs]
        call = {
            key: [placeholder(a, -1) for a in value] if isinstance(value, list) else placeholder(value, -1)
            for key, value in sample.call.items()
        }
        outputs = sample.apply(self.layer, inputs, call)
        self.outputs: list[Tensor] = flatten(outputs)
        named = {f"y{i}": tensor.value for i, tensor in enumerate(self.outputs)}
        named |= {
            f"m{i}": t._keras_mask.value for i, t in enumerate(self.outputs) if t._keras_mask is not None
        }
        leaves = tuple(tensor.value for tensor, _ in self.feeds)
        self.function = specialise(Function("layer", leaves, named), training)

    def randomize(self) -> None:
        """Weights in general position."""
        generator = np.random.default_rng(7)
        for weight in self.layer.weights:
            low = 0.5 if "variance" in weight.name else -0.7
            weight.assign(generator.uniform(low, 1.0, weight.shape))

    def run(self, rows: slice = slice(None)) -> dict[str, Array]:
        return run(self.function, [array[rows] for _, array in self.feeds])[0]


def _variable(shape: tuple[int, ...], keep: int) -> Shape:
    """Sizes that vary, apart from the one that makes weights; equal ones are the same symbol."""
    return tuple(
        size if keep == 0 or axis == keep % len(shape) or size == 1 else symbol(f"n{size}")
        for axis, size in enumerate(shape)
    )[1:]


def _kept_axis(layer: Any, array: Array) -> int:
    if isinstance(layer, WHOLE) or (isinstance(layer, layers.ConvRNN2D) and layer.stateful):
        return 0
    if isinstance(layer, layers.RNN):
        return layer.feature_axis
    if getattr(layer, "data_format", "") == "channels_first":
        return 1
    axis = getattr(layer, "axis", -1) if hasattr(layer, "epsilon") else -1
    return axis if isinstance(axis, int) else 0


def _layer_classes() -> set[str]:
    return {
        entry.__name__
        for name in layers.__all__
        if inspect.isclass(entry := getattr(layers, name)) and issubclass(entry, layers.Layer)
    }


def test_every_layer_has_a_sample() -> None:
    sampled = set()
    for sample in SAMPLES:
        sampled.update(re.findall(r"\w+", sample.name))
    unsampled = _layer_classes() - ABSTRACT - sampled - {"StackedRNNCells"}
    assert not unsampled


@each_sample
def test_a_configuration_makes_the_layer_again(sample: Sample) -> None:
    first = Traced(sample)
    first.randomize()
    config = first.layer.get_config()
    if sample.saved:
        config = json.loads(json.dumps(config))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        again = type(first.layer).from_config(config)
    assert again.name == first.layer.name
    second = Traced(sample, again)
    assert json.dumps(again.get_config(), default=repr) == json.dumps(first.layer.get_config(), default=repr)
    again.set_weights(first.layer.get_weights())
    for name, array in first.run().items():
        np.testing.assert_array_equal(array, second.run()[name])


@each_sample
def test_shapes_as_traced_are_shapes_as_run(sample: Sample) -> None:
    traced = Traced(sample)
    sizes: dict[str, int] = {}
    for tensor, array in traced.feeds:
        assert bind_shape(tensor.dims, array.shape, sizes)
    for name, array in traced.run().items():
        value = traced.function.outputs[name]
        assert array.dtype.name == value.dtype
        assert evaluate_shape(value.shape, sizes) == array.shape


@each_sample
def test_knowing_the_sizes_changes_nothing(sample: Sample) -> None:
    loose = Traced(sample)
    loose.randomize()
    tight = Traced(sample, known=True)
    tight.layer.set_weights(loose.layer.get_weights())
    for name, array in loose.run().items():
        np.testing.assert_allclose(tight.run()[name], array, rtol=1e-6, atol=1e-6)


@each_sample
def test_the_onnx_backend_agrees_with_the_interpreter(sample: Sample) -> None:
    traced = Traced(sample)
    traced.randomize()
    executable = compile_program([traced.function])
    results = executable.run("layer", [array for _, array in traced.feeds])
    for (name, wanted), got in zip(traced.run().items(), results, strict=True):
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.batch is None], ids=str)
def test_a_sample_does_not_depend_on_its_batch(sample: Sample) -> None:
    traced = Traced(sample)
    traced.randomize()
    whole = traced.run()
    for row in range(BATCH):
        for name, array in traced.run(slice(row, row + 1)).items():
            np.testing.assert_allclose(array, whole[name][row : row + 1], rtol=1e-6, atol=1e-6)


@each_sample
def test_trainable_weights_have_gradients(sample: Sample) -> None:
    traced = Traced(sample, training=True)
    traced.randomize()
    values = [value for name, value in traced.function.outputs.items() if name[0] == "y"]
    cotangents = [full(value.shape, 1.0, value.dtype) for value in values]
    weights = [weight.variable for weight in traced.layer.trainable_weights]
    found = pullback(values, cotangents, weights)
    gradients = {f"g{i}": value for i, value in enumerate(found) if value is not None}
    assert len(gradients) == len(weights)
    leaves = traced.function.inputs
    made = run(Function("gradients", leaves, gradients), [array for _, array in traced.feeds])[0]
    for array, weight in zip(made.values(), weights, strict=True):
        assert array.shape == weight.type.static_shape
        assert np.isfinite(array).all()


@each_sample
def test_a_model_of_it_exports_to_a_valid_file(sample: Sample, tmp_path: Path) -> None:
    def inputs_for(arrays: Sequence[Array]) -> list[Tensor]:
        return [
            layers.Input(batch_shape=(sample.batch, *array.shape[1:]), dtype=array.dtype.name)
            for array in arrays
        ]

    inputs = inputs_for(sample.inputs)
    call = {key: inputs_for(flatten(value)) for key, value in sample.call.items()}
    given = {key: made if isinstance(sample.call[key], list) else made[0] for key, made in call.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        outputs = sample.apply(sample.make(layers), inputs, given)
    model = Model([*inputs, *flatten(list(call.values()))], flatten(outputs))
    path = export(model, tmp_path / "model.onnx")  # which runs the file and compares
    onnx.checker.check_model(str(path), full_check=True)


@needs_keras
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.in_keras], ids=str)
def test_the_output_is_that_of_keras(sample: Sample) -> None:
    traced = Traced(sample)
    traced.randomize()
    ours = traced.run()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sample.make(keras().layers)
        sample.apply(theirs, sample.inputs, sample.call)
        theirs.set_weights(traced.layer.get_weights())
        if sample.batch is not None:
            theirs.reset_state()
        outputs = flatten(sample.apply(theirs, sample.inputs, sample.call))
        assert len(outputs) == len(traced.outputs)
    for i, output in enumerate(outputs):
        np.testing.assert_allclose(ours[f"y{i}"], keras_value(output), rtol=1e-5, atol=1e-6, err_msg=f"y{i}")


@needs_keras
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.in_keras], ids=str)
def test_masks_pass_where_they_do_in_keras(sample: Sample) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sample.make(keras().layers)
    assert sample.make(layers).supports_masking == theirs.supports_masking


@needs_keras
@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.may_mask], ids=str)
def test_the_mask_is_that_of_keras(sample: Sample) -> None:
    traced = Traced(sample)
    ours = traced.run()
    theirs = sample.make(keras().layers)
    inputs = list(sample.inputs) if len(sample.inputs) > 1 else sample.inputs[0]
    computed = theirs.compute_mask(inputs, sample.call.get("mask"))
    masks = flatten(computed) if isinstance(computed, list | tuple) else [computed]
    for i, mask in enumerate([*masks, *[None] * (len(traced.outputs) - len(masks))]):
        if mask is None or np.all(keras_value(mask)):  # all valid is no mask to us
            assert f"m{i}" not in ours or ours[f"m{i}"].all()
        else:
            np.testing.assert_array_equal(ours[f"m{i}"], keras_value(mask))


@each_sample
def test_a_layer_keeps_its_meaning_in_half_precision_and_for_fixed_sizes(
    sample: Sample, tmp_path: Path
) -> None:
    traced = Traced(sample)
    traced.randomize()
    arrays = [array for _, array in traced.feeds]
    function = fix_sizes(traced.function, {"batch": arrays[0].shape[0]})
    verify(function)
    lowered, rows = lower(function, "onnx", freeze=True)
    half = halve(lowered, measure(lowered, [arrays]))
    verify(half)
    model = inference_model(half, 21, rows)
    write_model(
        model,
        tmp_path / "m.onnx",
        verify=lambda draft: check_file(draft, traced.function, arrays, arrays, HALF),
    )
