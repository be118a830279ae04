"""The hooks of the ONNX backend."""

from __future__ import annotations

from collections.abc import Iterable

from kgraph.plugins.backend import Backend
from kgraph.plugins.hookspecs import hookimpl
from kgraph.plugins.onnx.backend import OnnxBackend


@hookimpl
def kgraph_backends() -> Iterable[Backend]:
    """The one backend, named "onnx"."""
    return [OnnxBackend()]
