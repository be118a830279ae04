"""Runs programs with the NumPy interpreter. Slow, exact, and the definition of what is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kgraph.errors import BackendError, describe
from kgraph.ir.dims import evaluate_shape
from kgraph.ir.graph import Function
from kgraph.ir.interpret import bind_inputs, run
from kgraph.ir.op import Op
from kgraph.ir.types import Array
from kgraph.passes.base import Pass
from kgraph.plugins.backend import CompileOptions, Program


class ReferenceBackend:
    """Every op has a NumPy meaning, so every op is supported."""

    name = "reference"

    def supports(self, op: Op) -> bool:
        return True

    def passes(self, options: CompileOptions | None) -> Sequence[Pass]:
        return ()

    def finishing(self, options: CompileOptions | None) -> Sequence[Pass]:
        return ()

    def compile(self, program: Program, options: CompileOptions) -> ReferenceExecutable:
        if options.strict and options.device not in ("auto", "cpu"):
            raise BackendError(
                describe("the reference backend runs on the CPU", expected="cpu", got=options.device)
            )
        return ReferenceExecutable(program)


class ReferenceExecutable:
    """Interprets functions; variables stay where they are, on the host."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def run(self, function: str, inputs: Sequence[Array]) -> list[Array]:
        outputs, updates = run(self._program.functions[function], inputs)
        for variable, value in updates.items():
            variable.storage.write(value)
        return list(outputs.values())

    def step(self, function: str, shapes: Sequence[tuple[int, ...]]) -> ReferenceStep:
        return ReferenceStep(self, self._program.functions[function], function, shapes)


class ReferenceStep:
    """A function bound to input buffers of fixed shapes."""

    def __init__(
        self,
        executable: ReferenceExecutable,
        function: Function,
        name: str,
        shapes: Sequence[tuple[int, ...]],
    ) -> None:
        self._executable, self._name = executable, name
        self.inputs: Sequence[Array] = [
            np.zeros(s, leaf.dtype) for s, leaf in zip(shapes, function.inputs, strict=True)
        ]
        env = bind_inputs(function, self.inputs)
        self.outputs: Sequence[Array] = [
            np.zeros(evaluate_shape(v.shape, env), v.dtype) for v in function.outputs.values()
        ]

    def __call__(self) -> None:
        for buffer, value in zip(self.outputs, self._executable.run(self._name, self.inputs), strict=True):
            buffer[...] = value
