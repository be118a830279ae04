"""Law: the Python in our Markdown files runs as it stands, and so do the commands.

The blocks of one file are one program, run in an empty folder. Of a `console` block the lines `$ kgraph …` are run, as
if they were typed; what is printed there is for people. A block stays out only when the line before its fence is a
comment that says why: `<!-- not run: needs a GPU -->`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.layout import ROOT, is_hidden

FOLDERS = ("docs", "kgraph", "examples", "benchmarks")
FOUND = (path for name in FOLDERS for path in (ROOT / name).rglob("*.md"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for path in FOUND if not is_hidden(path))])
COMMAND = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'kgraph', *{arguments}], check=True)"
OPT_OUT = re.compile(r"<!-- not run: \S.* -->")


def program_of(markdown: str) -> str:
    """The Python blocks of a document as one program whose line numbers are those of the document."""
    lines: list[str] = []
    fence: str | None = None
    kept, previous = "", ""
    for line in markdown.splitlines():
        text = line.strip()
        if fence is None and text.startswith("```"):
            fence = "`" * (len(text) - len(text.lstrip("`")))
            kept = "" if OPT_OUT.fullmatch(previous) else text[len(fence) :].strip()
            lines.append("")
        elif fence is not None and text == fence:
            fence, kept = None, ""
            lines.append("")
        else:
            lines.append(line if kept == "python" else command(text) if kept == "console" else "")
        previous = text or previous
    return "\n".join(lines).rstrip() + "\n"


def command(line: str) -> str:
    """A line of a console block as Python."""
    return COMMAND.format(arguments=shlex.split(line)[2:]) if line.startswith("$ kgraph ") else ""


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


def test_commands_run_and_their_output_does_not() -> None:
    block = "```console\n$ kgraph inspect 'a file.h5'\na file.h5: 3 layers\n$ ls\n```\n"
    lines = program_of(block).splitlines()
    assert lines[0] == ""
    assert lines[1].endswith("*['inspect', 'a file.h5']], check=True)")
    assert lines[2:] == []


def test_a_block_opts_out_only_with_a_reason() -> None:
    block = "```python\nboom\n```\n"
    assert program_of("<!-- not run: needs a GPU -->\n\n" + block).strip() == ""
    assert program_of("<!-- not run: -->\n" + block).strip() == "boom"
