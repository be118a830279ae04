"""What is in an ONNX file, and how long onnxruntime takes to run it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import Array

RUNS = 20


def operators(path: Path) -> Counter[str]:
    """How many nodes of each operator a file has, those in the bodies of loops among them."""
    import onnx

    def count(graph: Any) -> Counter[str]:
        found = Counter(node.op_type for node in graph.node)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    found += count(attribute.g)
        return found

    return count(onnx.load(str(path), load_external_data=False).graph)


def race(paths: Mapping[str, Path], batch: Array, heats: int, threads: int) -> dict[str, list[float]]:
    """Milliseconds of RUNS runs of each file in each heat. Raises ValueError if the files disagree.

    A session is alone while it runs: the threads of another would wait beside it, and take the cores from it.
    """
    times: dict[str, list[float]] = {name: [] for name in paths}
    outputs: dict[str, Array] = {}
    for _ in range(heats):
        for name, path in paths.items():
            session = _session(path, threads)
            outputs[name] = _run(session, batch)[1]
            times[name] += [_run(session, batch)[0] for _ in range(RUNS)]
            del session
    first, *others = outputs.values()
    largest = float(np.max(np.abs(first)))
    for output in others:
        if not np.allclose(output, first, rtol=1e-3, atol=1e-4 * max(largest, 1e-3)):
            raise ValueError(f"the files disagree by {np.max(np.abs(output - first))} of {largest}")
    return times


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run(session: Any, batch: Array) -> tuple[float, Array]:
    feeds: dict[str, Sequence[Any] | Array] = {session.get_inputs()[0].name: batch}
    begun = time.perf_counter()
    (output,) = session.run(None, feeds)
    return (time.perf_counter() - begun) * 1e3, output
