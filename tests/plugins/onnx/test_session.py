"""How sessions are set up."""

from __future__ import annotations

import numpy as np

from kgraph import config
from kgraph.compiler import compile_program
from kgraph.ir.graph import Function, Input
from kgraph.ir.types import TensorType
from kgraph.ops.linalg import matmul
from kgraph.plugins.onnx.session import OnnxExecutable


def test_threads_sleep_soon_after_a_run() -> None:
    """Else those of one session take the cores from the next one, as where steps and predictions alternate."""
    x, w = (Input(name, TensorType("float32", (256, 256))) for name in "xw")
    with config.using(backend="onnx", device="cpu"):
        executable = compile_program([Function("f", (x, w), {"y": matmul(x, w)})])
    assert isinstance(executable, OnnxExecutable)
    ones = np.ones((256, 256), "float32")
    executable.run("f", [ones, ones])
    _, session = executable.functions["f"].version({})
    entry = session.get_session_options().get_session_config_entry("session.intra_op.spin_duration_us")
    assert 0 < int(entry) < 1000
