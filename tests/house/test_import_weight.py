"""Law: importing kgraph loads nothing heavy; onnx, onnxruntime and the like come when they are used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.house.layout import LAZY, ON_DEMAND, ROOT


@pytest.mark.parametrize("statement", ["import kgraph", "from kgraph import keras"])
def test_import_is_light(statement: str) -> None:
    program = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert not (LAZY | ON_DEMAND).intersection(json.loads(done.stdout))
    assert done.stderr == ""
