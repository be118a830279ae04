"""Law: the package of ops imports every family, so the registry is always whole."""

from __future__ import annotations

import pkgutil

from kgraph import ops
from kgraph.ir.op import registry


def test_every_module_is_imported() -> None:
    assert set(ops.__all__) == {module.name for module in pkgutil.iter_modules(ops.__path__)}


def test_every_op_is_documented_and_lives_in_a_family() -> None:
    for name, op in registry().items():
        assert op.__doc__, name
        assert op.name == name
