"""`python -m kgraph`: the command line, where the `kgraph` script is not on the path."""

from __future__ import annotations

import sys

from kgraph.cli import main

sys.exit(main())
