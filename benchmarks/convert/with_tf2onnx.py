"""tf2onnx as a converter. It knows Keras 3 only as functions of TensorFlow, so that a model is traced as one first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tf2onnx

from benchmarks.convert.zoo import Specimen, scatter

OPSET = 18
"""The newest that tf2onnx writes."""


def load(source: Path) -> Any:
    """The model of a file."""
    return keras.models.load_model(source, compile=False)


def convert(model: Any, target: Path) -> None:
    """Writes the ONNX file."""
    signature = [tf.TensorSpec((None, *leaf.shape[1:]), leaf.dtype, name=leaf.name) for leaf in model.inputs]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET, output_path=str(target))


def make(specimen: Specimen, targets: Iterable[Path]) -> None:
    """Writes the model that is to be converted."""
    model = scatter(specimen.build(keras))
    for target in targets:
        model.save(target)
