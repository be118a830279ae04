"""`python -m kgraph.keras program.py`: runs a program for Keras as it is, with kgraph in Keras's place."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

from kgraph.keras.stand_in import install

parser = argparse.ArgumentParser(
    prog="python -m kgraph.keras", description="Run a program in which keras is kgraph."
)
parser.add_argument("--tensorflow", action="store_true", help="tensorflow.keras is kgraph, too")
parser.add_argument("program", type=Path, help="a Python file")
parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the program gets as its arguments")


def main() -> None:
    """Run the program as the interpreter would: its arguments, and modules from its own folder."""
    chosen = parser.parse_args()
    install(tensorflow=chosen.tensorflow)
    sys.argv = [str(chosen.program), *chosen.arguments]
    sys.path[0] = str(chosen.program.resolve().parent)
    runpy.run_path(str(chosen.program), run_name="__main__")


if __name__ == "__main__":
    main()
