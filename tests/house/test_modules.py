"""Laws about files: rooms stay small, and every package says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.layout import PACKAGE, ROOT, module_name, python_files

BUDGET = 500
SOURCES = python_files(*(ROOT / name for name in ("kgraph", "tests", "examples", "benchmarks")))
PACKAGES = sorted(
    path.parent for pattern in ("", "*/", "*/*/") for path in PACKAGE.glob(f"{pattern}__init__.py")
)
"""kgraph, its rooms and the packages directly in them; deeper ones are described by the one above."""


def relative(path: Path) -> str:
    """A readable test name."""
    return str(path.relative_to(ROOT))


def test_no_module_outgrows_the_budget() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > BUDGET} == {}


@pytest.mark.parametrize("package", PACKAGES, ids=relative)
def test_package_has_a_readme(package: Path) -> None:
    readme = package / "README.md"
    assert readme.is_file(), "expected a README.md: what it is, what it may import, decisions and reasons"
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {module_name(package / '__init__.py')}"
    assert any(line.startswith("May import:") for line in lines)
