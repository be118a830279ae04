"""What a backend is: programs in, executables out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kgraph.ir.graph import Function, Variable
from kgraph.ir.op import Op
from kgraph.ir.types import Array
from kgraph.passes.base import Pass
from kgraph.plugins.lowering import Lowering


@dataclass(frozen=True)
class Program:
    """Named functions over shared variables, such as the train, eval and predict steps of a model."""

    functions: Mapping[str, Function]
    freezable: frozenset[str] = frozenset()
    """Functions worth a version with constant weights while the weights rest, such as predict."""

    def variables(self) -> list[Variable]:
        """Every variable of every function, in order of first use."""
        found: dict[Variable, None] = {}
        for function in self.functions.values():
            found.update(dict.fromkeys(function.variables()))
        return list(found)


@dataclass(frozen=True)
class CompileOptions:
    """How to compile: `device` is "auto", "cpu", "cuda" or "cuda:1"; `strict` refuses every silent fall-back."""

    device: str = "auto"
    strict: bool = False
    threads: int = 0
    lowerings: Mapping[type[Op], Lowering] = field(default_factory=dict)
    """Lowerings from plug-ins and users, which win over the backend's own."""


class Step(Protocol):
    """One function bound to fixed input shapes, for calling again and again without allocation.

    Fill `inputs` in place, call, read `outputs` before the next call.
    """

    @property
    def inputs(self) -> Sequence[Array]:
        """Host buffers, one per input, to be filled in place."""

    @property
    def outputs(self) -> Sequence[Array]:
        """Host buffers, one per output, valid until the next call."""

    def __call__(self) -> None:
        """Run once on what `inputs` hold now, and update the variables."""


class Executable(Protocol):
    """A compiled program. The values of its variables live on its device."""

    def run(self, function: str, inputs: Sequence[Array]) -> list[Array]:
        """Run a function, update variables, return the outputs in order. Raises DataError for misfitting inputs."""

    def step(self, function: str, shapes: Sequence[tuple[int, ...]]) -> Step:
        """The function bound to input shapes; the same object for the same shapes."""


class Backend(Protocol):
    """Turns programs into executables."""

    name: str

    def supports(self, op: Op) -> bool:
        """Whether the backend lowers this op itself; composite ops that it does not are decomposed."""

    def passes(self, options: CompileOptions | None) -> Sequence[Pass]:
        """Passes that prepare a function for this backend, before composite ops are decomposed.

        `options` say where it will run; None: anywhere, as in a file, or with weights that are constants.
        """

    def finishing(self, options: CompileOptions | None) -> Sequence[Pass]:
        """Passes on a function whose ops are those that will run, to suit the machine."""

    def compile(self, program: Program, options: CompileOptions) -> Executable:
        """Compile. Raises BackendError when the device cannot be had, UnsupportedError for an op it lacks."""
