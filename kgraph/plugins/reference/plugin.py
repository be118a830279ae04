"""The hooks of the reference backend."""

from __future__ import annotations

from collections.abc import Iterable

from kgraph.plugins.backend import Backend
from kgraph.plugins.hookspecs import hookimpl
from kgraph.plugins.reference.backend import ReferenceBackend


@hookimpl
def kgraph_backends() -> Iterable[Backend]:
    """The one backend, named "reference"."""
    return [ReferenceBackend()]
