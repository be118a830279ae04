"""A backend: NumPy, keeping count of the ops that it ran."""

from __future__ import annotations

from collections import Counter

from kgraph.plugins.reference.backend import ReferenceBackend


class CountingBackend(ReferenceBackend):
    """Runs like the reference backend; `compiled` counts the ops of everything that was compiled for it."""

    name = "toy"

    def __init__(self):
        self.compiled = Counter()

    def compile(self, program, options):
        for function in program.functions.values():
            self.compiled.update(call.op.name for call in function.calls())
        return super().compile(program, options)
