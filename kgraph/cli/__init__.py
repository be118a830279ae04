"""The command line: `kgraph convert`, `inspect`, `run`, `passes`, `plugins`, `doctor`."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

from kgraph.cli import convert, doctor, inspect, passes, plugins, run
from kgraph.cli.report import one_line
from kgraph.errors import KgraphError

COMMANDS = {
    "convert": convert,
    "inspect": inspect,
    "run": run,
    "passes": passes,
    "plugins": plugins,
    "doctor": doctor,
}
"""The modules of the commands by name: `configure` declares the arguments, `run` does it and gives the exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status. An error is one clear line on standard error and status 1."""
    parser = argparse.ArgumentParser(prog="kgraph", description="A model compiler with a Keras front door.")
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, module in COMMANDS.items():
        text = (module.run.__doc__ or "").splitlines()[0]
        sub = commands.add_parser(name, help=text, description=text)
        module.configure(sub)
    chosen = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            return COMMANDS[chosen.command].run(chosen)
        except (KgraphError, OSError, ImportError, MemoryError) as error:
            if chosen.traceback:
                raise
            print(f"kgraph {chosen.command}: {one_line(error)}", file=sys.stderr)
            return 1


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: Any = None,
) -> None:
    text = "; ".join(part.strip() for part in str(message).splitlines())
    print(f"kgraph: warning: {text}", file=file or sys.stderr)
