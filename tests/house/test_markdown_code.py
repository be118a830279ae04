"""Law: the Python in our Markdown files runs as it stands.

The blocks of one file are one program, run in an empty folder. A block stays out only when the line before
its fence is a comment that says why: `<!-- not run: needs a GPU -->`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.layout import ROOT, is_hidden

FOLDERS = ("docs", "kgraph", "examples", "benchmarks")
FOUND = (path for name in FOLDERS for path in (ROOT / name).rglob("*.md"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for path in FOUND if not is_hidden(path))])
OPT_OUT = re.compile(r"<!-- not run: \S.* -->")


def program_of(markdown: str) -> str:
    """The Python blocks of a document as one program whose line numbers are those of the document."""
    lines: list[str] = []
    fence: str | None = None
    kept, previous = False, ""
    for line in markdown.splitlines():
        text = line.strip()
        if fence is None and text.startswith("```"):
            fence = "`" * (len(text) - len(text.lstrip("`")))
            kept = text[len(fence) :].strip() == "python" and not OPT_OUT.fullmatch(previous)
            lines.append("")
        elif fence is not None and text == fence:
            fence, kept = None, False
            lines.append("")
        else:
            lines.append(line if kept else "")
        previous = text or previous
    return "\n".join(lines).rstrip() + "\n"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_runs(document: Path, tmp_path: Path) -> None:
    script = tmp_path / f"{document.stem}.py"
    script.write_text(program_of(document.read_text(encoding="utf-8")), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{document.relative_to(ROOT)} (lines as in the document)\n{done.stderr}"


def test_blocks_share_one_program_and_keep_their_lines() -> None:
    text = "# t\n```python\na = 1\n```\nwords\n```bash\nls\n```\n```python\nb = a\n```\n"
    assert program_of(text).splitlines() == ["", "", "a = 1", "", "", "", "", "", "", "b = a"]


def test_a_block_opts_out_only_with_a_reason() -> None:
    block = "```python\nboom\n```\n"
    assert program_of("<!-- not run: needs a GPU -->\n\n" + block).strip() == ""
    assert program_of("<!-- not run: -->\n" + block).strip() == "boom"
