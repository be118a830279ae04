"""Metrics: what is reported beside the loss."""

from __future__ import annotations

from typing import Any

from kgraph.errors import UnsupportedError, describe


def for_output(identifier: Any, output: Any, loss: Any) -> Any:
    """The metric for one output of a model, from a name, a function or a Metric."""
    raise UnsupportedError(describe("metrics are being written", got=repr(identifier)))
