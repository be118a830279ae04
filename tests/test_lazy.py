"""Names that load when they are used look like any others."""

from __future__ import annotations

import subprocess
import sys
from operator import attrgetter
from types import ModuleType

import pytest

import kgraph
from kgraph import config, keras
from tests.house.layout import ROOT

LAZY = [
    (kgraph, ("config", "export", "export_training", "keras")),
    (keras.models, ("load_model", "model_from_json", "save_model")),
    (keras.utils, ("get_file",)),
    (keras.utils.data_utils, ("get_file",)),
]


@pytest.mark.parametrize(("module", "names"), LAZY, ids=lambda value: getattr(value, "__name__", ""))
def test_they_are_there_and_listed(module: ModuleType, names: tuple[str, ...]) -> None:
    assert set(names) <= set(dir(module))
    assert all(getattr(module, name) is not None for name in names)
    with pytest.raises(AttributeError, match=f"'{module.__name__}' has no attribute 'nothing'"):
        attrgetter("nothing")(module)


def test_a_submodule_is_itself_and_a_name_what_its_module_defines() -> None:
    assert kgraph.config is config
    assert kgraph.export is sys.modules["kgraph.keras.export"].export


def test_a_listing_loads_nothing() -> None:
    program = "import sys, kgraph; dir(kgraph); assert 'kgraph.keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)
