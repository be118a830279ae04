"""The ONNX backend: lowering to ONNX graphs that stock onnxruntime runs.

The only package that imports onnx or onnxruntime.
"""

from __future__ import annotations

from kgraph.plugins.onnx import plugin

__all__ = ["plugin"]
