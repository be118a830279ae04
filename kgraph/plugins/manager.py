"""Finding plug-ins and asking them for contributions.

A plug-in that is broken, or in conflict with another, is reported by name and left out; the program goes on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pluggy

from kgraph.errors import ArgumentError, PluginError, describe
from kgraph.ir.op import Op
from kgraph.passes.base import Pass
from kgraph.plugins import hookspecs
from kgraph.plugins.backend import Backend
from kgraph.plugins.lowering import Lowering

ENTRY_POINT_GROUP = "kgraph"

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


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
        self._registered: dict[str, PluginInfo] = {}
        self._left_out: list[PluginInfo] = []
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
        self._registered[name] = PluginInfo(name, source)

    def unregister(self, name: str) -> None:
        """Remove a plug-in. Raises PluginError when there is none of that name."""
        if name not in self._registered:
            raise PluginError(describe("no such plug-in", expected=", ".join(self._registered), got=name))
        self._manager.unregister(name=name)
        del self._registered[name]

    def infos(self) -> list[PluginInfo]:
        """The registered plug-ins, with the latest problem of each, then those that were left out."""
        return [*self._registered.values(), *self._left_out]

    def backends(self) -> dict[str, Backend]:
        """Backends by name."""
        return self._merged("kgraph_backends", _backends_by_name, "has a backend named")

    def backend(self, name: str) -> Backend:
        """The backend of that name. Raises ArgumentError listing those there are."""
        found = self.backends()
        if name not in found:
            raise ArgumentError(
                describe("unknown backend", expected=", ".join(sorted(found)), got=repr(name))
            )
        return found[name]

    def ops(self) -> list[type[Op]]:
        """The op classes that plug-ins put under the laws."""
        return [op for _, made in self._contributions("kgraph_ops", _ops) for op in made]

    def lowerings(self, backend: str) -> dict[type[Op], Lowering]:
        """Lowerings for a backend."""
        return self._merged("kgraph_lowerings", _lowerings, "lowers", backend=backend)

    def passes(self, stage: str) -> list[Pass]:
        """The passes for the end of a stage."""
        return [
            step for _, made in self._contributions("kgraph_passes", _passes, stage=stage) for step in made
        ]

    def layers(self) -> dict[str, type]:
        """Layer classes by name."""
        return self._merged("kgraph_layers", _layers, "has a layer named")

    def _merged(
        self, hook: str, read: Callable[[Any], dict[K, V]], claim: str, **arguments: object
    ) -> dict[K, V]:
        """All contributions to a hook in one dictionary. What the first plug-in has claimed, another cannot have."""
        found: dict[K, V] = {}
        for plugin, contribution in self._contributions(hook, read, **arguments):
            clash = [getattr(key, "name", key) for key in contribution if key in found]
            if clash:
                self._report(plugin, f"another plug-in {claim} {', '.join(map(str, clash))}")
            found |= {key: value for key, value in contribution.items() if key not in found}
        return found

    def _contributions(
        self, hook: str, read: Callable[[Any], T], **arguments: object
    ) -> Iterator[tuple[str, T]]:
        """Each plug-in's contribution to a hook, in order of registration; a hook that misbehaves is reported."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            try:
                given = {key: arguments[key] for key in implementation.argnames}
                made = implementation.function(**given)
                contribution = None if made is None else read(made)
            except Exception as error:  # noqa: BLE001 - a stranger's code must not take the program down
                self._report(name, f"{hook} raised {type(error).__name__}: {error}")
                continue
            if contribution is not None:
                yield name, contribution

    def _discover(self) -> None:
        from importlib.metadata import entry_points  # takes as long to load as half of kgraph

        for entry in entry_points(group=ENTRY_POINT_GROUP):
            source = f"entry point {entry.value}"
            try:
                self.register(entry.load(), entry.name, source)
            except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything at import
                problem = f"left out: {type(error).__name__}: {error}"
                self._left_out.append(PluginInfo(entry.name, source, problem))
                _warn(entry.name, problem)

    def _report(self, plugin: str, problem: str) -> None:
        info = self._registered[plugin]
        if info.problem != problem:
            self._registered[plugin] = replace(info, problem=problem)
            _warn(plugin, problem)


def _warn(plugin: str, problem: str) -> None:
    warnings.warn(f"kgraph plug-in {plugin!r}: {problem}", PluginWarning, stacklevel=3)


def _backends_by_name(made: Iterable[Backend]) -> dict[str, Backend]:
    return {backend.name: backend for backend in made}


def _ops(made: Iterable[type[Op]]) -> list[type[Op]]:
    return [_expect(op, isinstance(op, type) and issubclass(op, Op), "an op class") for op in made]


def _lowerings(made: Mapping[type[Op], Lowering]) -> dict[type[Op], Lowering]:
    return dict(zip(_ops(made), dict(made).values(), strict=True))


def _passes(made: Iterable[Pass]) -> list[Pass]:
    return [_expect(step, isinstance(step, Pass), "a pass") for step in made]


def _layers(made: Mapping[str, type]) -> dict[str, type]:
    return {name: _expect(layer, isinstance(layer, type), "a layer class") for name, layer in made.items()}


def _expect(item: T, holds: bool, wanted: str) -> T:
    if not holds:
        raise TypeError(f"expected {wanted}, got {item!r}")
    return item
