"""Finding plug-ins and asking them for contributions.

A plug-in that is broken, or in conflict with another, is reported by name and left out; the program goes on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import pluggy

from kgraph.errors import ArgumentError, PluginError, describe
from kgraph.ir.op import Op
from kgraph.passes.base import Pass
from kgraph.plugins import hookspecs
from kgraph.plugins.backend import Backend
from kgraph.plugins.lowering import Lowering

ENTRY_POINT_GROUP = "kgraph"


class PluginWarning(UserWarning):
    """A plug-in was left out."""


@dataclass(frozen=True)
class PluginInfo:
    """What `kgraph plugins` lists."""

    name: str
    source: str
    problem: str = ""


class PluginManager:
    """The registered plug-ins and what they contribute."""

    def __init__(self, builtins: Mapping[str, object], discover: bool = True) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._infos: dict[str, PluginInfo] = {}
        for name, plugin in builtins.items():
            self.register(plugin, name, "built in")
        if discover:
            self._discover()

    def register(self, plugin: object, name: str, source: str = "registered by the program") -> None:
        """Add a plug-in. Raises PluginError when its name is taken or its hooks do not fit."""
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except (ValueError, pluggy.PluginValidationError) as error:
            if self._manager.get_plugin(name) is plugin:
                self._manager.unregister(plugin)
            raise PluginError(
                describe(f"plug-in {name!r} cannot be registered: {error}", where=source)
            ) from error
        self._infos[name] = PluginInfo(name, source)

    def unregister(self, name: str) -> None:
        """Remove a plug-in. Raises PluginError when there is none of that name."""
        if self._manager.get_plugin(name) is None:
            raise PluginError(describe("no such plug-in", expected=", ".join(self._infos), got=name))
        self._manager.unregister(name=name)
        del self._infos[name]

    def infos(self) -> list[PluginInfo]:
        return list(self._infos.values())

    def backends(self) -> dict[str, Backend]:
        found: dict[str, Backend] = {}
        for plugin, contribution in self._contributions("kgraph_backends"):
            for backend in contribution:
                if backend.name in found:
                    self._report(plugin, f"another plug-in has a backend named {backend.name!r}")
                else:
                    found[backend.name] = backend
        return found

    def backend(self, name: str) -> Backend:
        """The backend of that name. Raises ArgumentError listing those there are."""
        found = self.backends()
        if name not in found:
            raise ArgumentError(
                describe("unknown backend", expected=", ".join(sorted(found)), got=repr(name))
            )
        return found[name]

    def ops(self) -> list[type[Op]]:
        return [op for _, contribution in self._contributions("kgraph_ops") for op in contribution]

    def lowerings(self, backend: str) -> dict[type[Op], Lowering]:
        rows: dict[type[Op], Lowering] = {}
        for plugin, contribution in self._contributions("kgraph_lowerings", backend=backend):
            clash = [op.name for op in contribution if op in rows]
            if clash:
                self._report(plugin, f"another plug-in lowers {', '.join(clash)} too")
            else:
                rows.update(contribution)
        return rows

    def passes(self, stage: str) -> list[Pass]:
        return [
            step
            for _, contribution in self._contributions("kgraph_passes", stage=stage)
            for step in contribution
        ]

    def layers(self) -> dict[str, type]:
        found: dict[str, type] = {}
        for plugin, contribution in self._contributions("kgraph_layers"):
            for name, layer in contribution.items():
                if name in found:
                    self._report(plugin, f"another plug-in has a layer named {name!r}")
                else:
                    found[name] = layer
        return found

    def _contributions(self, hook: str, **arguments: object) -> Iterable[tuple[str, Any]]:
        """Each plug-in's contribution to a hook, in order of registration; a hook that raises is reported."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            try:
                given = {key: arguments[key] for key in implementation.argnames}
                contribution = implementation.function(**given)
            except Exception as error:  # noqa: BLE001 - a stranger's code must not take the program down
                self._report(name, f"{hook} raised {type(error).__name__}: {error}")
                continue
            if contribution is not None:
                yield name, contribution

    def _discover(self) -> None:
        for entry in entry_points(group=ENTRY_POINT_GROUP):
            source = f"entry point {entry.value}"
            self._guard(entry.name, source, lambda entry=entry: entry.load())  # type: ignore[misc]  # binds now

    def _guard(self, name: str, source: str, load: Callable[[], object]) -> None:
        try:
            self.register(load(), name, source)
        except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything at import
            self._infos[name] = PluginInfo(name, source, str(error))
            self._report(name, f"left out: {type(error).__name__}: {error}")

    def _report(self, plugin: str, problem: str) -> None:
        info = self._infos.get(plugin, PluginInfo(plugin, "unknown"))
        if info.problem != problem:
            self._infos[plugin] = PluginInfo(info.name, info.source, problem)
            warnings.warn(f"kgraph plug-in {plugin!r}: {problem}", PluginWarning, stacklevel=3)
