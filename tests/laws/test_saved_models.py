"""The law of files: a model of each layer goes to Keras 3 and back in each kind, and computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgraph import keras
from kgraph.keras.layers.nodes import flatten
from tests.laws.layer_sample import Sample
from tests.laws.saved_samples import model_of, saved_samples
from tests.oracle import its_own_warnings, keras_value, needs_keras
from tests.oracle import keras as real_keras

pytestmark = [its_own_warnings, pytest.mark.filterwarnings("ignore:Argument `alpha` is deprecated")]
each_kind = pytest.mark.parametrize("kind", ["h5", "keras"])


def in_general_position(model: Any) -> Any:
    random = np.random.default_rng(3)
    model.set_weights([random.uniform(0.2, 0.9, weight.shape) for weight in model.get_weights()])
    return model


def outputs(model: Any, sample: Sample) -> list[np.ndarray[Any, Any]]:
    return flatten(model.predict(list(sample.inputs), batch_size=len(sample.inputs[0]), verbose=0))


def assert_same(found: list[Any], wanted: list[Any]) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(keras_value(one), other, rtol=1e-5, atol=1e-6)


@needs_keras
@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        pytest.param(sample, kind, id=f"{sample}-{kind}")
        for sample, _ in saved_samples()
        for kind in ("h5", "keras")
        if sample.in_keras and (sample.in_hdf5 or kind == "keras")
    ],
)
def test_a_model_goes_to_keras_and_back(sample: Sample, kind: str, tmp_path: Path) -> None:
    ours = in_general_position(model_of(sample))
    wanted = outputs(ours, sample)
    ours.save(tmp_path / f"ours.{kind}")
    theirs = real_keras().models.load_model(tmp_path / f"ours.{kind}", compile=False, safe_mode=sample.saved)
    found = theirs(list(sample.inputs) if len(sample.inputs) > 1 else sample.inputs[0])
    assert_same(flatten(found), wanted)
    theirs.save(tmp_path / f"theirs.{kind}")
    again = keras.models.load_model(tmp_path / f"theirs.{kind}", compile=False, safe_mode=sample.saved)
    assert_same(outputs(again, sample), wanted)


@each_kind
@pytest.mark.parametrize("sample", [s for s, _ in saved_samples() if not s.in_keras], ids=str)
def test_what_keras_does_not_have_goes_to_a_file_and_back(sample: Sample, kind: str, tmp_path: Path) -> None:
    ours = in_general_position(model_of(sample))
    ours.save(tmp_path / f"ours.{kind}")
    again = keras.models.load_model(tmp_path / f"ours.{kind}", compile=False, safe_mode=sample.saved)
    for one, other in zip(outputs(again, sample), outputs(ours, sample), strict=True):
        np.testing.assert_array_equal(one, other)
