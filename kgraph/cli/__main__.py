"""`python -m kgraph.cli`: the same as the `kgraph` command."""

from __future__ import annotations

import sys

from kgraph.cli import main

sys.exit(main())
