"""The one place where the order of the pipeline is written.

trace -> forward stage (phase, simplify, lay out, fuse) -> differentiate + optimizer (the front end, in ops)
      -> final stage (fold, share, simplify, fuse, legalise) -> backend.compile -> Executable
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from kgraph import config
from kgraph.ir.graph import Function
from kgraph.ir.op import Op
from kgraph.ops.control import Gate
from kgraph.passes.base import Pass
from kgraph.passes.cse import ShareEqualCalls
from kgraph.passes.decompose import Decompose
from kgraph.passes.fold import FoldConstants
from kgraph.passes.freeze import FreezeVariables
from kgraph.passes.fusion import FoldBatchNorm, FuseLosses, FuseProducts, GateGradients, RearrangeWeights
from kgraph.passes.layout import SinkTransposes
from kgraph.passes.phase import SpecialisePhase
from kgraph.passes.pipeline import Observer, run_pipeline, switched
from kgraph.passes.scales import AbsorbScales
from kgraph.passes.scans.expand import ExpandRecurrent
from kgraph.passes.scans.factor import FactorScans
from kgraph.passes.scans.hoist import HoistFromScans
from kgraph.passes.scans.last import ReadLastStep
from kgraph.passes.scans.parts import PartProducts
from kgraph.passes.scans.prune import PruneScans
from kgraph.passes.scans.reuse import ReuseProducts
from kgraph.passes.scans.sink import SinkFromScans
from kgraph.passes.simplify import FINAL_RULES, Simplify
from kgraph.plugins.backend import Backend, CompileOptions, Executable, Program
from kgraph.plugins.builtin import default_manager
from kgraph.plugins.lowering import Lowering

_OBSERVER: ContextVar[Observer | None] = ContextVar("observer", default=None)


def forward_passes(training: bool, closed: Iterable[Gate] = ()) -> list[Pass]:
    """The passes before differentiation; training does not reach what is behind `closed` gates."""
    return [
        SpecialisePhase(training, frozenset(closed)),
        *([ExpandRecurrent()] if training else []),
        FoldConstants(),
        ShareEqualCalls(),
        Simplify(),
        ReadLastStep(),
        SinkTransposes(),
        ShareEqualCalls(),
        FuseLosses(),
        Simplify(),
        *default_manager().passes("forward"),
    ]


def final_passes(
    backend: Backend,
    lowerings: Mapping[type[Op], Lowering],
    resting: bool = False,
    options: CompileOptions | None = None,
) -> list[Pass]:
    """The passes on whole functions, the last of which leave only ops that the backend lowers.

    The weights of a `resting` function change rarely, so that work on them is as good as free. `options` say where the
    function will run; None: anywhere.
    """

    def supported(op: Op) -> bool:
        return type(op) in lowerings or backend.supports(op)

    decompose = Decompose(supported, f"backend {backend.name!r}")
    return [
        FoldConstants(),
        ShareEqualCalls(),
        FoldBatchNorm(),
        *([RearrangeWeights()] if resting else []),
        GateGradients(),
        *backend.passes(None if resting else options),
        # A gradient repeats parts of the forward op's decomposition: these must meet before either is simplified.
        decompose,
        ShareEqualCalls(),
        FoldConstants(),
        ShareEqualCalls(),
        PruneScans(),
        Simplify(FINAL_RULES),
        PartProducts(),
        FactorScans(),
        HoistFromScans(),
        SinkFromScans(),
        ReuseProducts(),
        PruneScans(),
        ShareEqualCalls(),
        Simplify(FINAL_RULES),
        AbsorbScales(),
        FuseProducts(),
        FoldConstants(),
        ShareEqualCalls(),
        *backend.finishing(None if resting else options),
        *default_manager().passes("final"),
        # What was fused is taken apart again where the backend has no kernel for it.
        decompose,
    ]


def specialise(
    function: Function, training: bool, observer: Observer | None = None, closed: Iterable[Gate] = ()
) -> Function:
    """A traced function for one phase, simplified and laid out: what differentiation starts from.

    What is behind `closed` gates stays in inference while the rest trains.
    """
    passes = switched(forward_passes(training, closed), config.get().passes)
    return run_pipeline(function, passes, observer or default_observer())


def compile_program(
    functions: Sequence[Function],
    *,
    freezable: Sequence[str] = (),
    lowerings: Mapping[type[Op], Lowering] | None = None,
    observer: Observer | None = None,
) -> Executable:
    """Compile functions over shared variables for the backend and device that `kgraph.config` names."""
    settings = config.get()
    backend = default_manager().backend(settings.backend)
    rows = {**default_manager().lowerings(backend.name), **(lowerings or {})}
    watcher = observer or default_observer()
    made: dict[str, Function] = {}
    options = CompileOptions(settings.device, settings.strict, settings.threads, rows)
    for function in functions:
        passes = switched(final_passes(backend, rows, function.name in freezable, options), settings.passes)
        made[function.name] = run_pipeline(function, passes, watcher)
    program = Program(made, frozenset(freezable))
    return backend.compile(program, options)


def lower(
    function: Function,
    backend: str,
    lowerings: Mapping[type[Op], Lowering] | None = None,
    observer: Observer | None = None,
    freeze: bool = False,
) -> tuple[Function, Mapping[type[Op], Lowering]]:
    """A function made of what a backend lowers, and the lowerings of plug-ins and the caller.

    What a file is made of. With `freeze` the weights are constants, and what can be computed from them alone is.
    """
    manager = default_manager()
    rows = {**manager.lowerings(backend), **(lowerings or {})}
    frozen: list[Pass] = [FreezeVariables()] if freeze else []
    wanted = [*frozen, *final_passes(manager.backend(backend), rows, resting=freeze)]
    passes = switched(wanted, config.get().passes)
    return run_pipeline(function, passes, observer or default_observer()), rows


@contextmanager
def observed(observer: Observer) -> Iterator[Observer]:
    """Every pipeline that runs inside tells `observer`."""
    token = _OBSERVER.set(observer)
    try:
        yield observer
    finally:
        _OBSERVER.reset(token)


def default_observer() -> Observer:
    """That of `observed`, or what `kgraph.config` asks for: text dumps with a table of times, or nothing."""
    current = _OBSERVER.get()
    if current is not None:
        return current
    dump = config.get().dump
    return Observer(dump=dump, measure=dump is not None)
