"""The hooks of a kgraph plug-in.

Each hook returns contributions, so a plug-in can be tested without a manager. The built-in backends use the same
hooks as strangers do. A third party registers a module or object with these functions under the entry-point group
`kgraph`:

    from kgraph.plugins import hookimpl

    @hookimpl
    def kgraph_backends(): return [MyBackend()]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pluggy

from kgraph.ir.op import Op
from kgraph.passes.base import Pass
from kgraph.plugins.backend import Backend
from kgraph.plugins.lowering import Lowering

PROJECT = "kgraph"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def kgraph_backends() -> Iterable[Backend]:  # type: ignore[empty-body]  # a specification has no body
    """Backends, each found by its `name`."""


@hookspec
def kgraph_ops() -> Iterable[type[Op]]:  # type: ignore[empty-body]  # a specification has no body
    """Op classes. Declaring them with `@op` is enough for graphs; naming them here puts them under the laws."""


@hookspec
def kgraph_lowerings(backend: str) -> Mapping[type[Op], Lowering]:  # type: ignore[empty-body]  # a specification has no body
    """Lowerings for a backend by op class; for ops of one's own, or to replace a built-in one."""


@hookspec
def kgraph_passes(stage: str) -> Iterable[Pass]:  # type: ignore[empty-body]  # a specification has no body
    """Passes to run at the end of a stage: "forward" (before differentiation) or "final" (whole functions)."""


@hookspec
def kgraph_layers() -> Mapping[str, type]:  # type: ignore[empty-body]  # a specification has no body
    """Layer classes by name; they become attributes of `keras.layers` and load from model files."""
