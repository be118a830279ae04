"""Who converts: what it needs installed, and which module here drives it."""

from __future__ import annotations

from benchmarks.frameworks import Framework

SUBJECT, OTHER = "kgraph", "tf2onnx"

CONTENDERS = {
    SUBJECT: Framework(
        name=SUBJECT,
        title="kgraph",
        driver="benchmarks.convert.with_kgraph",
        imports="import kgraph",
        modules=("kgraph.keras", "onnx", "onnxruntime"),
        packages=(".",),
    ),
    OTHER: Framework(
        name=OTHER,
        title="Keras 3, TensorFlow and tf2onnx",
        driver="benchmarks.convert.with_tf2onnx",
        imports="import keras, tensorflow, tf2onnx",
        modules=("keras", "tensorflow", "tf2onnx"),
        packages=("keras", "tensorflow-cpu", "tf2onnx"),
        environment={"KERAS_BACKEND": "tensorflow"},
    ),
}
"""By name. A driver has `load(source)`, which gives a model, `convert(model, target)` and `make(specimen, targets)`."""
