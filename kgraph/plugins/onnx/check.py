"""Running an ONNX file as a stranger would: a bare CPU session."""

from __future__ import annotations

from collections.abc import Sequence

from kgraph.ir.types import Array


def run_model(path: str, inputs: Sequence[Array], state: Sequence[Array] = ()) -> list[Array]:
    """The outputs of a file for inputs in the order it declares them: data first, then state."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # as in session.py
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [leaf.name for leaf in session.get_inputs()]
    return list(session.run(None, dict(zip(names, [*inputs, *state], strict=True))))
