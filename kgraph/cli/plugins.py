"""`kgraph plugins`."""

from __future__ import annotations

import argparse

from kgraph.plugins.builtin import default_manager


def configure(parser: argparse.ArgumentParser) -> None:
    """There are no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """List the plug-ins and what each contributes; 1 when one of them is broken."""
    manager = default_manager()
    backends, ops, layers = manager.backends(), manager.ops(), manager.layers()
    for info in manager.infos():
        print(f"{info.name:<20} {info.source}" + (f"\n  problem: {info.problem}" if info.problem else ""))
    print(f"backends: {', '.join(sorted(backends))}")
    print(f"ops of plug-ins: {', '.join(sorted(op.name for op in ops)) or 'none'}")
    print(f"layers of plug-ins: {', '.join(sorted(layers)) or 'none'}")
    return int(any(info.problem for info in manager.infos()))
