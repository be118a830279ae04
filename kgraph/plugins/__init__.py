"""Plug-ins: hooks, manager, the backend protocol, and the built-in backends."""

from __future__ import annotations

from kgraph.plugins.hookspecs import hookimpl

__all__ = ["hookimpl"]
