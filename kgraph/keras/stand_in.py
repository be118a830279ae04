"""`install`: from then on `import keras` means `kgraph.keras`, so that programs run as they are.

    from kgraph.keras import install

    install()
    from keras.layers import Dense  # the one of kgraph

`python -m kgraph.keras program.py` does the same for a whole program.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from kgraph.errors import UnsupportedError, describe

HOME = "kgraph.keras"


class StandIn(MetaPathFinder, Loader):
    """Finds the modules of kgraph.keras under another name. They are the same objects, loaded once."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of `name` or a module in it; None for other modules, and for those that kgraph does not have."""
        if fullname != self.name and not fullname.startswith(f"{self.name}."):
            return None
        home = HOME + fullname.removeprefix(self.name)
        return ModuleSpec(fullname, self, origin=home) if find_spec(home) is not None else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module of kgraph. What the import system then says of it is taken back by `exec_module`."""
        module = import_module(str(spec.origin))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run; the module gets its own spec back."""
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


class PartOfTensorFlow(ModuleType):
    """A `tensorflow` in which there is only `keras`."""

    __path__: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            describe(
                f"module 'tensorflow' has no attribute {name!r}",
                expected="tensorflow.keras: it is kgraph, which stands in for nothing else of TensorFlow",
            )
        )


def install(tensorflow: bool = False) -> None:
    """Make `import keras` mean kgraph.keras; with `tensorflow`, `import tensorflow.keras` too.

    For this process, from now on. Doing so again changes nothing. Raises UnsupportedError when the real one has been
    imported already: a program with both would mix their objects.
    """
    wanted = ("keras", "tensorflow.keras") if tensorflow else ("keras",)
    for name in wanted:
        _refuse_real(name.partition(".")[0])
    for name in wanted:
        if not any(isinstance(finder, StandIn) and finder.name == name for finder in sys.meta_path):
            sys.meta_path.insert(0, StandIn(name))
    if tensorflow and "tensorflow" not in sys.modules:
        package = sys.modules["tensorflow"] = PartOfTensorFlow("tensorflow")
        package.__spec__ = ModuleSpec("tensorflow", None, is_package=True)
        import_module("tensorflow.keras")


def _refuse_real(name: str) -> None:
    found = sys.modules.get(name)
    if found is not None and found is not sys.modules[HOME] and not isinstance(found, PartOfTensorFlow):
        raise UnsupportedError(
            describe(
                f"{name} has been imported already, and it is not kgraph",
                expected=f"kgraph.keras.install() before the first import of {name}",
                got=getattr(found, "__file__", None) or repr(found),
            )
        )
