"""What is in an ONNX file, and how long onnxruntime takes to run it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import Array


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


def race(paths: Mapping[str, Path], batch: Array, rounds: int, threads: int) -> dict[str, list[float]]:
    """Milliseconds of each run of each file, one after the other in turn. Raises ValueError if they disagree."""
    sessions = {name: _session(path, threads) for name, path in paths.items()}
    outputs = [_run(session, batch)[1] for session in sessions.values()]
    for output in outputs[1:]:
        largest = float(np.max(np.abs(outputs[0])))
        if not np.allclose(output, outputs[0], rtol=1e-3, atol=1e-4 * max(largest, 1e-3)):
            raise ValueError(f"the files disagree by {np.max(np.abs(output - outputs[0]))} of {largest}")
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            times[name].append(_run(session, batch)[0])
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
