"""Plug-ins: what they contribute is found, and a broken or quarrelsome one is reported and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from kgraph.errors import ArgumentError, PluginError
from kgraph.ir.op import Op
from kgraph.ops.elementwise import Add, Exp
from kgraph.passes.cse import ShareEqualCalls
from kgraph.plugins import hookimpl, hookspecs, manager
from kgraph.plugins.builtin import BUILTINS, default_manager
from kgraph.plugins.manager import PluginInfo, PluginManager, PluginWarning
from kgraph.plugins.reference.backend import ReferenceBackend


class Plugin:
    """An object with hooks. (Not a SimpleNamespace: two of those are equal, and a plug-in is registered once.)"""


def plugin(**hooks: Callable[..., Any]) -> Plugin:
    made = Plugin()
    vars(made).update({name: hookimpl(function) for name, function in hooks.items()})
    return made


class Toy(ReferenceBackend):
    """The reference backend under another name."""

    name = "toy"


def with_plugins(**plugins: object) -> PluginManager:
    made = PluginManager(BUILTINS, discover=False)
    for name, item in plugins.items():
        made.register(item, name)
    return made


def test_the_built_in_backends_come_through_the_hooks() -> None:
    assert set(PluginManager(BUILTINS, discover=False).backends()) == {"onnx", "reference"}
    assert default_manager() is default_manager()


def test_contributions_of_every_kind_are_found() -> None:
    def kgraph_lowerings(backend: str) -> Mapping[type[Op], Any]:
        return {Add: print} if backend == "toy" else {}

    def kgraph_passes(stage: str) -> Iterable[Any]:
        return [ShareEqualCalls()] if stage == "final" else []

    made = with_plugins(
        toy=plugin(
            kgraph_backends=lambda: [Toy()],
            kgraph_ops=lambda: [Exp],
            kgraph_lowerings=kgraph_lowerings,
            kgraph_passes=kgraph_passes,
            kgraph_layers=lambda: {"Dense2": dict},
        )
    )
    assert made.backend("toy").name == "toy"
    assert made.ops() == [Exp]
    assert made.lowerings("toy") == {Add: print}
    assert made.lowerings("onnx") == {}
    assert made.passes("final") == [ShareEqualCalls()]
    assert made.passes("forward") == []
    assert made.layers() == {"Dense2": dict}
    assert made.infos()[-1] == PluginInfo("toy", "registered by the program")


def test_an_unknown_backend_is_refused_with_the_list() -> None:
    with pytest.raises(ArgumentError, match="onnx, reference"):
        PluginManager(BUILTINS, discover=False).backend("tpu")


def boom(**_: object) -> None:
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("hook", "made", "problem"),
    [
        ("kgraph_backends", boom, "raised RuntimeError: boom"),
        ("kgraph_backends", lambda: [object()], "raised AttributeError"),
        ("kgraph_backends", lambda: 5, "raised TypeError"),
        ("kgraph_backends", lambda: (1 / 0 for _ in "a"), "raised ZeroDivisionError"),
        ("kgraph_ops", lambda: [Add()], "an op class"),
        ("kgraph_lowerings", lambda backend: [Add], "raised TypeError"),
        ("kgraph_lowerings", lambda backend: {"add": print}, "an op class"),
        ("kgraph_passes", lambda stage: [ShareEqualCalls], "a pass"),
        ("kgraph_layers", lambda: {"Dense": 5}, "a layer class"),
    ],
)
def test_a_broken_hook_is_reported_by_name_and_the_others_count(
    hook: str, made: Callable[..., Any], problem: str
) -> None:
    plugins = with_plugins(broken=plugin(**{hook: made}), toy=plugin(kgraph_backends=lambda: [Toy()]))
    ask = {
        "kgraph_backends": plugins.backends,
        "kgraph_ops": plugins.ops,
        "kgraph_lowerings": lambda: plugins.lowerings("toy"),
        "kgraph_passes": lambda: plugins.passes("final"),
        "kgraph_layers": plugins.layers,
    }[hook]
    with pytest.warns(PluginWarning, match="plug-in 'broken'") as caught:
        found = ask()
    assert problem in str(caught[0].message)
    assert set(found) == ({"onnx", "reference", "toy"} if hook == "kgraph_backends" else set())
    assert problem in {info.name: info.problem for info in plugins.infos()}["broken"]
    ask()  # said once, not each time


@pytest.mark.parametrize(
    ("hook", "made", "ask"),
    [
        ("kgraph_backends", lambda: [Toy()], lambda m: m.backends()),
        ("kgraph_lowerings", lambda backend: {Add: print}, lambda m: m.lowerings("toy")),
        ("kgraph_layers", lambda: {"Dense2": dict}, lambda m: m.layers()),
    ],
)
def test_of_two_that_claim_the_same_the_first_wins_and_the_second_is_reported(
    hook: str, made: Callable[..., Any], ask: Callable[[PluginManager], Any]
) -> None:
    plugins = with_plugins(first=plugin(**{hook: made}), second=plugin(**{hook: made}))
    with pytest.warns(PluginWarning, match="plug-in 'second': another plug-in"):
        assert ask(plugins)


def test_a_name_is_taken_once() -> None:
    plugins = with_plugins(toy=plugin())
    with pytest.raises(PluginError, match="plug-in 'toy' cannot be registered"):
        plugins.register(plugin(), "toy")


def test_a_hook_with_another_signature_is_refused_and_not_kept() -> None:
    plugins = PluginManager({}, discover=False)
    with pytest.raises(PluginError, match="cannot be registered"):
        plugins.register(plugin(kgraph_backends=lambda color: []), "odd")
    assert plugins.infos() == []
    assert plugins.backends() == {}


def test_a_misspelt_hook_is_refused() -> None:
    with pytest.raises(PluginError, match="kgraph_backend"):
        PluginManager({}, discover=False).register(plugin(kgraph_backend=lambda: [Toy()]), "odd")


def test_a_plugin_can_be_taken_out_again() -> None:
    plugins = with_plugins(toy=plugin(kgraph_backends=lambda: [Toy()]))
    plugins.unregister("toy")
    assert "toy" not in plugins.backends()
    with pytest.raises(PluginError, match="no such plug-in"):
        plugins.unregister("toy")


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, manager.ENTRY_POINT_GROUP)


def test_entry_points_are_found_and_broken_ones_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        entry("good", "kgraph.plugins.reference:plugin"),
        entry("missing", "no_such_module_at_all"),
        entry("onnx", "kgraph.plugins.reference.backend"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found)
    with pytest.warns(PluginWarning) as caught:
        plugins = PluginManager({"onnx": BUILTINS["onnx"]})
    messages = [str(warning.message) for warning in caught]
    assert ["missing" in messages[0], "onnx" in messages[1]] == [True, True]
    infos = [(info.name, info.source, bool(info.problem)) for info in plugins.infos()]
    assert infos == [
        ("onnx", "built in", False),
        ("good", "entry point kgraph.plugins.reference:plugin", False),
        ("missing", "entry point no_such_module_at_all", True),
        ("onnx", "entry point kgraph.plugins.reference.backend", True),
    ]
    assert set(plugins.backends()) == {"onnx", "reference"}


def test_every_hook_is_documented() -> None:
    names = [name for name in vars(hookspecs) if name.startswith("kgraph_")]
    assert len(names) == 5
    for name in names:
        assert vars(hookspecs)[name].__doc__, name
