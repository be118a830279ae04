"""The plug-ins that come with kgraph, registered through the same hooks as anyone's."""

from __future__ import annotations

from functools import cache

from kgraph.plugins import onnx, reference
from kgraph.plugins.manager import PluginManager

BUILTINS = {"onnx": onnx.plugin, "reference": reference.plugin}


@cache
def default_manager() -> PluginManager:
    """The process-wide manager: the built-in plug-ins, then those found by entry point."""
    return PluginManager(BUILTINS)
