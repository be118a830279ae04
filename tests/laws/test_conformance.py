"""The conformance kit does what it says: it runs by one command, and it knows gaps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kgraph.errors import ArgumentError
from kgraph.testing.conformance import sample_params
from tests.house.layout import ROOT


def test_one_command_tests_the_backend_of_the_settings(tmp_path: Path) -> None:
    environment = {**os.environ, "KGRAPH_BACKEND": "reference", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs"]
    done = subprocess.run(
        [*command, "kgraph.testing.conformance", "-k", "relu"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_gap_is_a_strict_expected_failure() -> None:
    params = {param.id: param for param in sample_params({"relu": "why", "tanh-0": "why not"})}
    assert [mark.kwargs for mark in params["relu-1"].marks] == [{"strict": True, "reason": "why"}]
    assert params["tanh-0"].marks
    assert not params["tanh-1"].marks


def test_a_gap_that_is_nothing_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="no-such-op"):
        sample_params({"no-such-op": "typing error"})
