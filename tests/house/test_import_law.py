"""Law: data flows one way, so each room of kgraph imports only what stands below it."""

from __future__ import annotations

import sys

import pytest

from tests.house.imports import Import, find_cycle, read_imports
from tests.house.layout import LAYERS, LAZY, PACKAGE, THIRD_PARTY, module_name, python_files

SOURCES = {module_name(path): path.read_text(encoding="utf-8") for path in python_files(PACKAGE)}
IMPORTS = [found for name, text in SOURCES.items() for found in read_imports(text, name, SOURCES)]


def room(module: str) -> str:
    """The layer a module lives in: kgraph.ir.types -> ir; the root package itself -> ''."""
    return module.partition(".")[2].partition(".")[0]


def within(module: str, packages: tuple[str, ...]) -> bool:
    """Whether the module is one of the packages or lies inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def breach(found: Import) -> str:
    """Why an import breaks the law; empty when it does not."""
    if found.root == "kgraph":
        return _breach_inside(found)
    if found.root in sys.stdlib_module_names:
        return ""
    if not within(found.importer, THIRD_PARTY.get(found.root, ())):
        return f"{found.root} may be imported by: {', '.join(THIRD_PARTY.get(found.root, ())) or 'nobody'}"
    if found.in_function and found.root not in LAZY:
        return f"{found.root} is light: import it at the top"
    return ""


def _breach_inside(found: Import) -> str:
    source, target = room(found.importer), room(found.target)
    if found.in_function:
        return "an import inside a function hides a cycle"
    if not source:
        return ""
    if not target:
        return "the root package is for users: import the module that defines the name"
    if LAYERS.index(source) > LAYERS.index(target):
        return f"{source} stands below {target}"
    return ""


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room(name) for name in SOURCES} - {""} <= set(LAYERS)


def test_imports_go_downwards_and_third_parties_stay_where_they_belong() -> None:
    breaches = [f"{found}: {why}" for found in IMPORTS if (why := breach(found))]
    assert not breaches, "\n".join(breaches)


def test_no_module_imports_itself_by_way_of_others() -> None:
    edges: dict[str, set[str]] = {}
    for found in IMPORTS:
        if found.target in SOURCES and not found.typing_only:
            edges.setdefault(found.importer, set()).add(found.target)
    assert not find_cycle(edges)


@pytest.mark.parametrize(
    ("importer", "source", "why"),
    [
        ("kgraph.ir.graph", "import kgraph.ops", "ir stands below ops"),
        ("kgraph.ir.graph", "from kgraph.ops import conv", "ir stands below ops"),
        (
            "kgraph.ir.graph",
            "if TYPE_CHECKING:\n  import kgraph.ops",
            "below",
        ),
        ("kgraph.ops.conv", "def f():\n  from kgraph.ir import graph", "hides a cycle"),
        ("kgraph.ops.conv", "class A:\n  def f(self):\n    import kgraph.ir", "hides a cycle"),
        ("kgraph.keras.models", "from kgraph import __version__", "root package"),
        ("kgraph.passes.fold", "import onnx.helper", "may be imported by: kgraph.plugins.onnx"),
        ("kgraph.plugins.onnxish", "import onnxruntime", "may be imported by: kgraph.plugins.onnx"),
        ("kgraph.keras.models", "import torch", "may be imported by: nobody"),
        ("kgraph.ops.conv", "def f():\n  import numpy", "import it at the top"),
    ],
)
def test_the_law_notices(importer: str, source: str, why: str) -> None:
    (found,) = read_imports(source, importer, {"kgraph.ops", "kgraph.ir"})
    assert why in breach(found)


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("kgraph.ops.conv", "from kgraph.ir import graph\nimport numpy as np\nimport math"),
        ("kgraph.plugins.onnx.emit", "def f():\n  import onnx"),
        ("kgraph", "from kgraph.compiler import compile"),
        ("kgraph.config", "from kgraph.errors import ArgumentError"),
        ("kgraph.keras.utils.plotting", "def f():\n  import matplotlib.pyplot"),
    ],
)
def test_the_law_allows(importer: str, source: str) -> None:
    assert not [why for found in read_imports(source, importer, SOURCES) if (why := breach(found))]


def test_cycles_are_found() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}}) == []
