"""Measures kgraph: as a Keras, and against the bare runtime beneath it."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

import onnxruntime

import kgraph
from benchmarks.clock import clock_without
from benchmarks.frameworks import Framework
from benchmarks.keras_driver import KerasSubject
from benchmarks.measure import TURN_SECONDS, milliseconds
from benchmarks.models import Workload
from kgraph import keras
from kgraph.keras.training import loop


class KgraphSubject(KerasSubject):
    """A workload under kgraph, with what only concerns a front end to onnxruntime."""

    def extras(self) -> Mapping[str, list[float]]:
        return {"python_us": [self.python_per_step()], "predict_overhead_us": [self.predict_overhead()]}

    def python_per_step(self) -> float:
        """Microseconds of a step inside `fit` that neither run the graph nor copy the batch."""
        runtime, copying = (onnxruntime.InferenceSession, "run_with_iobinding"), (loop, "copy_batch")
        with clock_without(runtime, copying) as clock:
            return self.fit(clock) / self.workload.steps * 1e6

    def predict_overhead(self) -> float:
        """Microseconds that `predict` of one sample takes beyond a bare session on the exported file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            kgraph.export(self.model, path)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: self.sample}
        bare = milliseconds(lambda: session.run(None, feed), TURN_SECONDS)
        ours = milliseconds(self.predict, TURN_SECONDS)
        return (statistics.median(ours) - statistics.median(bare)) * 1e3


def subject(framework: Framework, workload: Workload) -> KgraphSubject:
    """`workload` under kgraph."""
    return KgraphSubject(keras, workload)
