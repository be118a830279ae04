"""The contestants: how each is imported, what it needs installed, and which module here drives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Framework:
    """One contestant.

    `imports` is what a user writes first (its time is the import time), `modules` must be found in its
    interpreter, `packages` is what to install for that, and `driver` names the module here whose
    `subject(framework, workload)` gives something to measure.
    """

    name: str
    title: str
    driver: str
    imports: str
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def keras_on(backend: str, title: str, package: str) -> Framework:
    """Keras 3 with one of its backends."""
    return Framework(
        name=f"keras-{'tf' if backend == 'tensorflow' else backend}",
        title=f"Keras 3 on {title}",
        driver="benchmarks.keras_driver",
        imports="import keras",
        modules=("keras", backend),
        packages=("keras", package),
        environment={"KERAS_BACKEND": backend},
    )


FRAMEWORKS = {
    framework.name: framework
    for framework in (
        Framework(
            name="kgraph",
            title="kgraph",
            driver="benchmarks.kgraph_driver",
            imports="import kgraph\nfrom kgraph import keras",
            modules=("kgraph.keras", "onnx", "onnxruntime"),
            packages=(".",),
        ),
        keras_on("tensorflow", "TensorFlow", "tensorflow-cpu"),
        keras_on("jax", "JAX", "jax"),
        keras_on("torch", "torch", "torch"),
        Framework(
            name="jax",
            title="plain JAX",
            driver="benchmarks.raw_jax",
            imports="import jax\nimport jax.numpy",
            modules=("jax",),
            packages=("jax",),
        ),
        Framework(
            name="torch",
            title="plain torch",
            driver="benchmarks.raw_torch",
            imports="import torch",
            modules=("torch", "numpy"),
            packages=("torch", "numpy"),
        ),
    )
}
