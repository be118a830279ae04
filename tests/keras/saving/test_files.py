"""Files that real Keras wrote, from 1.2 to 3: each loads, predicts, trains on as its producer did, and converts.

What was written with what, and how: tests/data/keras_files.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from kgraph import keras
from kgraph.errors import FileError, UnsupportedError
from kgraph.keras.export import export
from tests.keras.saving.habits import LOST, OTHERWISE, UNORDERED, train
from tests.keras.saving.kept import Arrays, Kept, kept, predict
from tests.keras.saving.kept import one as together

KEPT = list(kept())
CODE = "holds the code of a function"
CODE_OF = {"keras-1.2.2": (3, 7), "keras-2.3.1": (3, 7)}
"""The Python whose byte code is in the files of a producer, when it is not 3.11."""


def refusal(one: Kept) -> str:
    """What the error says where the model is refused."""
    by_name = {"bilinear": "interpolat", "lambda": CODE}
    if not one.producer.startswith("keras-3"):
        by_name["lambda_named"] = CODE  # functions with a name are written as code too
    return by_name.get(one.recipe.name, "")


def cases(refused: bool = False) -> list[Any]:
    """Every file of a whole model."""
    return [
        pytest.param(one, name, id=f"{one}/{name}")
        for one in KEPT
        for name in one.files
        if bool(refusal(one)) == refused
    ]


def assert_close(found: Arrays, wanted: Arrays, relative: float) -> None:
    """Within a part of the largest number, or of 1."""
    largest = max([1.0, *(np.abs(array).max() for array in wanted)])
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=relative * largest)


@pytest.mark.parametrize(("one", "name"), cases())
def test_it_predicts_what_its_producer_predicted(one: Kept, name: str) -> None:
    assert_close(predict(one.load(name, compile=False), one.arrays("x")), one.arrays("p"), 2e-6)


@pytest.mark.parametrize(("one", "name"), [p for p in cases() if p.values[0].recipe.trains])
def test_training_goes_on_as_with_its_producer(one: Kept, name: str) -> None:
    elsewhere = (one.producer, one.recipe.name) in OTHERWISE
    if (one.producer, one.recipe.name, name) in UNORDERED:
        with pytest.warns(UserWarning, match="training starts with a fresh"):
            model = one.load(name)
        loss = model.train_on_batch(together(one.arrays("x")), together(one.arrays("y")))
        assert np.isfinite(loss).all()
        return
    if (one.producer, one.recipe.name, name) in LOST:
        assert one.load(name).optimizer.iterations.numpy() == 0
        return
    trained, before = train(one, name)
    wanted = one.arrays("a")
    assert max(np.abs(a - b).max() for a, b in zip(wanted, before, strict=True)) > 1e-3
    if elsewhere:  # a model that goes on alike does not belong among the others
        assert max(np.abs(a - b).max() for a, b in zip(trained, wanted, strict=True)) > 1e-4
    else:
        assert_close(trained, wanted, 3e-6)


@pytest.mark.parametrize(("one", "name"), [p for p in cases() if "optimizer" not in p.id])
def test_it_converts(one: Kept, name: str, tmp_path: Path) -> None:
    path = export(one.load(name, compile=False), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x, wanted = one.arrays("x"), one.arrays("p")
    feeds = {node.name: np.zeros(node.shape, "float32") for node in session.get_inputs()[len(x) :]}  # states
    feeds |= {node.name: array for node, array in zip(session.get_inputs(), x, strict=False)}
    assert_close(session.run(None, feeds)[: len(wanted)], wanted, 2e-6)


@pytest.mark.parametrize(
    ("one", "form"),
    [
        pytest.param(one, form, id=f"{one}/{form}")
        for one in KEPT
        for form in ("json", "yaml")
        if one.has("weights.h5") and one.has(f"model.{form}") and not refusal(one)
    ],
)
def test_weights_go_into_the_architecture(one: Kept, form: str) -> None:
    build = keras.models.model_from_json if form == "json" else keras.models.model_from_yaml
    text = one.read(f"model.{form}").decode()
    if "!!python/object" in text:  # numbers that were NumPy's
        with pytest.raises(FileError, match="could not determine a constructor"):
            build(text)
        return
    model = build(text, one.custom_objects)
    model.load_weights(BytesIO(one.read("weights.h5")))
    assert_close(predict(model, one.arrays("x")), one.arrays("p"), 2e-6)


@pytest.mark.parametrize(("one", "name"), cases(refused=True))
def test_what_cannot_be_represented_is_refused(one: Kept, name: str) -> None:
    with pytest.raises(FileError if "lambda" in str(one) else UnsupportedError, match=refusal(one)):
        one.load(name)


@pytest.mark.parametrize(("one", "name"), [p for p in cases(refused=True) if "lambda" in p.id])
def test_code_is_run_when_the_caller_says_so(one: Kept, name: str) -> None:
    if sys.version_info[:2] != CODE_OF.get(one.producer, (3, 11)):
        with pytest.raises(FileError, match="the code of a function cannot be read"):
            one.load(name, safe_mode=False)
        return
    assert_close(
        predict(one.load(name, compile=False, safe_mode=False), one.arrays("x")), one.arrays("p"), 2e-6
    )
