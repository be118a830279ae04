"""Running compiled functions: sessions, bindings, and state that stays on the device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kgraph import config
from kgraph.errors import BackendError, describe
from kgraph.ir.dims import evaluate_shape
from kgraph.ir.graph import BOOKKEEPING, Function
from kgraph.ir.interpret import bind_inputs
from kgraph.ir.storage import Storage
from kgraph.ir.types import Array
from kgraph.passes.pipeline import Observer, run_pipeline, switched
from kgraph.plugins.backend import CompileOptions, Program
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.blocked.tile import TileImages, images_per_tile
from kgraph.plugins.onnx.costs import microseconds, worth_threads
from kgraph.plugins.onnx.device import Device
from kgraph.plugins.onnx.emit import Target
from kgraph.plugins.onnx.model import Model, build_model
from kgraph.plugins.onnx.state import DeviceState, Slot, aligned, state_of

# What making a session with constant weights costs, measured on one core: a few milliseconds, and writing, reading and
# pre-packing each weight.
_SESSION_MICROSECONDS = 5e3
_MICROSECONDS_PER_WEIGHT = 2e-2
# What a run spends on each variable that is bound to it.
_BINDING_MICROSECONDS = 10.0
# How long the threads of a session look for more work before they sleep. Each session has its own: in the milliseconds
# that onnxruntime would give them, those of a training step are in the way of a prediction that follows.
_SPIN_MICROSECONDS = 300


def make_session(model: Model, device: Device, options: CompileOptions, threads: int = 0) -> Any:
    """An onnxruntime session; 0 threads: as many as there are cores, unless the options say how many.

    Raises BackendError when the runtime refuses the model.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # what it would log below that comes as an exception too
    settings.intra_op_num_threads = options.threads or threads
    # The slots of weights that get no gradient decay into subnormal numbers, on which the processor is tens of times
    # slower. onnxruntime heeds the first session of the process; like its own threads, the calling one then flushes.
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    settings.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_MICROSECONDS))
    if model.state_inputs:
        # The highest level re-orders data around convolutions and pools. With weights as inputs that cannot be done
        # ahead of time, and costs more than it gives (max-pooling takes twice as long).
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    if device.kind == "cuda" and options.strict:
        settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # What is written over in place must have no other readers: not those of an equal node either.
    kept_apart = ["CommonSubexpressionElimination"] if model.adds_in_place else []
    try:
        return onnxruntime.InferenceSession(
            model.proto.SerializeToString(),
            settings,
            providers=device.providers(),
            disabled_optimizers=kept_apart,
        )
    except Exception as error:  # onnxruntime raises its own types, which differ between builds
        raise BackendError(
            describe(f"onnxruntime refuses the model: {error}", where=model.proto.graph.name)
        ) from error


def failure(error: Exception, function: Function) -> BackendError:
    """What a failed run is reported as. The runtime's own text names the node, which carries the layer's name.

    No variable has changed: a run writes into buffers that are not current yet.
    """
    return BackendError(
        describe(
            "the runtime could not compute a step",
            expected="data that every layer can work on, such as indices within bounds",
            got=error,
            where=function.name,
        )
    )


class Version:
    """A function as one model, and the session for it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._session: tuple[int, Any] | None = None

    def session(
        self, function: Function, env: Mapping[str, int], device: Device, options: CompileOptions
    ) -> Any:
        """The session for these sizes: with one thread, unless more help these or helped others before."""
        if self._session is None or self._session[0] == 1:
            threads = 0 if device.kind != "cpu" or worth_threads(function, env) else 1
            if self._session is None or self._session[0] != threads:
                self._session = (threads, make_session(self.model, device, options, threads))
        return self._session[1]


class CompiledFunction:
    """One function: a version for any sizes, one with constant weights while they rest, and some in tiles."""

    def __init__(
        self,
        function: Function,
        table: LoweringTable,
        target: Target,
        device: Device,
        options: CompileOptions,
    ) -> None:
        self.function = function
        self._settings = (table, target, device, options)
        self._config = config.get()
        self._versions: dict[int, Version] = {}
        """By the number of images in a tile; 0: whole batches."""
        self._tiles: dict[int, int] = {}
        """The number of images in a tile for the batches that have been seen."""
        self._changes_meaning = any(v.role not in BOOKKEEPING for v in function.updates)
        self._frozen: tuple[int, Model, Any] | None = None
        self._resting_since = -1
        self._spent = 0.0
        self._costs: dict[tuple[tuple[str, int], ...], float] = {}
        weights = sum(
            math.prod(v.type.static_shape) for v in function.variables() if v not in function.updates
        )
        self._bound = len(function.variables())
        self._cost_of_freezing = _SESSION_MICROSECONDS + weights * _MICROSECONDS_PER_WEIGHT

    def version(self, env: Mapping[str, int]) -> tuple[Model, Any]:
        """Model and session for these sizes: large batches of images in tiles that fit the cache."""
        table, target, device, options = self._settings
        batch = env.get("batch", 0)
        if batch not in self._tiles:
            self._tiles[batch] = images_per_tile(self.function, batch, target.block)
        tile = self._tiles[batch]
        if tile not in self._versions:
            function = self._in_tiles(tile) if tile else self.function
            self._versions[tile] = Version(build_model(function, table, target, views=device.kind == "cpu"))
        version = self._versions[tile]
        return version.model, version.session(self.function, env, device, options)

    def _in_tiles(self, tile: int) -> Function:
        passes = switched([TileImages(tile)], self._config.passes)
        return run_pipeline(self.function, passes, Observer(dump=self._config.dump))

    def note_run(self) -> None:
        """Count a run that changed what models compute, so that frozen versions are not used any longer."""
        if self._changes_meaning:
            Storage.writes += 1

    def note_sizes(self, env: Mapping[str, int]) -> None:
        """Count what a run without constants cost."""
        key = tuple(env.items())
        if key not in self._costs:
            binding = self._bound * _BINDING_MICROSECONDS
            self._costs[key] = binding + microseconds(self.function, env)
        self._spent += self._costs[key]

    def frozen(self) -> tuple[Model, Any] | None:
        """Model and session with the weights as constants; None while they are not worth making.

        Constants let onnxruntime fold, pre-pack and re-layout, which inputs do not; but making the session
        costs as much as many runs. So it is made when the runs since the weights last changed have cost as
        much as it will: at worst that is twice the best that could be done.
        """
        if self._frozen is not None and self._frozen[0] == Storage.writes:
            return self._frozen[1], self._frozen[2]
        self._frozen = None
        if self._resting_since != Storage.writes:
            self._resting_since, self._spent = Storage.writes, 0.0
        if self._spent < self._cost_of_freezing:
            return None
        table, target, device, options = self._settings
        fixed = {v: v.storage.read() for v in self.function.variables() if v not in self.function.updates}
        model = build_model(self.function, table, target, frozen=fixed)
        self._frozen = (Storage.writes, model, make_session(model, device, options))
        return self._frozen[1], self._frozen[2]


class OnnxExecutable:
    """A program compiled for onnxruntime."""

    def __init__(
        self,
        program: Program,
        table: LoweringTable,
        target: Target,
        device: Device,
        options: CompileOptions,
    ) -> None:
        self.device = device
        self.state = state_of(device)
        self.functions = {
            name: CompiledFunction(function, table, target, device, options)
            for name, function in program.functions.items()
        }
        self._freezable = program.freezable
        self._steps: dict[tuple[str, tuple[tuple[int, ...], ...]], OnnxStep] = {}

    def run(self, function: str, inputs: Sequence[Array]) -> list[Array]:
        compiled = self.functions[function]
        arrays = [np.ascontiguousarray(array).reshape(array.shape) for array in inputs]
        env = bind_inputs(compiled.function, arrays)
        frozen = compiled.frozen() if function in self._freezable else None
        model, session = frozen or compiled.version(env)
        try:
            return self._run(compiled, model, session, arrays, env)
        except Exception as error:
            raise failure(error, compiled.function) from error

    def _run(
        self,
        compiled: CompiledFunction,
        model: Model,
        session: Any,
        arrays: Sequence[Array],
        env: Mapping[str, int],
    ) -> list[Array]:
        if not model.state_inputs and not model.state_outputs:
            return list(session.run(None, dict(zip(model.inputs, arrays, strict=True))))
        outputs = [aligned(evaluate_shape(v.shape, env), v.dtype) for v in compiled.function.outputs.values()]
        with self.state.lock:
            now = self.state.slots(list(model.state_inputs), [])
            updated = self.state.slots([*compiled.function.updates], [*compiled.function.updates])
            session.run_with_iobinding(bind(model, session, now, updated, arrays, outputs))
            for slot in updated:
                slot.current ^= 1
        compiled.note_run()
        compiled.note_sizes(env)
        return outputs

    def step(self, function: str, shapes: Sequence[tuple[int, ...]]) -> OnnxStep:
        key = (function, tuple(tuple(shape) for shape in shapes))
        if key not in self._steps:
            self._steps[key] = OnnxStep(self.state, self.functions[function], key[1])
        return self._steps[key]


class OnnxStep:
    """A function bound to host buffers of fixed shapes; a call costs one runtime call and next to nothing else."""

    def __init__(
        self, state: DeviceState, compiled: CompiledFunction, shapes: Sequence[tuple[int, ...]]
    ) -> None:
        function = compiled.function
        self.inputs: Sequence[Array] = [
            aligned(s, leaf.dtype) for s, leaf in zip(shapes, function.inputs, strict=True)
        ]
        env = bind_inputs(function, self.inputs)
        self.outputs: Sequence[Array] = [
            aligned(evaluate_shape(v.shape, env), v.dtype) for v in function.outputs.values()
        ]
        self._compiled, self._state = compiled, state
        self._model, self._session = compiled.version(env)
        self._copies_inputs = state.device.kind != "cpu"
        self._slots: list[Slot] = []
        self._bindings: dict[tuple[int, ...], Any] = {}
        self._pair: tuple[Any, Any] = (None, None)
        self.updated: Sequence[Slot] = ()
        self.parity = 0

    def __call__(self) -> None:
        with self._state.lock:
            if self._state.active is not self:
                self._activate()
            binding = self._pair[self.parity]
            if self._copies_inputs:
                for name, array in zip(self._model.inputs, self.inputs, strict=True):
                    binding.bind_cpu_input(name, array)
            try:
                self._session.run_with_iobinding(binding)
            except Exception as error:
                raise failure(error, self._compiled.function) from error
            self.parity ^= 1
        self._compiled.note_run()

    def settled(self) -> None:
        """Start from the buffers that the last call wrote: somebody has asked which those are."""
        self._pair = self._pair[::-1]
        self.parity = 0

    def _activate(self) -> None:
        """Find or make the two bindings for where the variables are now."""
        function, model = self._compiled.function, self._model
        now = self._state.slots(list(model.state_inputs))
        self.updated = self._state.slots([*function.updates], [*function.updates])
        slots = [*now, *self.updated]
        if slots != self._slots:  # a variable has been elsewhere: the old buffers are free for other use
            self._bindings.clear()
            self._slots = slots
        first = self._binding(now)
        for slot in self.updated:
            slot.current ^= 1
        second = self._binding(now)
        for slot in self.updated:
            slot.current ^= 1
        self._pair = (first, second)
        self._state.active = self

    def _binding(self, now: Sequence[Slot]) -> Any:
        key = tuple(slot.current for slot in self._slots)
        if key not in self._bindings:
            model, session = self._model, self._session
            self._bindings[key] = bind(model, session, now, self.updated, self.inputs, self.outputs)
        return self._bindings[key]


def bind(
    model: Model,
    session: Any,
    now: Sequence[Slot],
    updated: Sequence[Slot],
    inputs: Sequence[Array],
    outputs: Sequence[Array],
) -> Any:
    """An IO binding: host arrays for inputs and outputs (shared, not copied, on the CPU), device buffers for state.

    The arrays must outlive the binding.
    """
    import onnxruntime

    binding = session.io_binding()
    for name, array in zip(model.inputs, inputs, strict=True):
        binding.bind_cpu_input(name, array)
    for name, slot in zip(model.state_inputs.values(), now, strict=True):
        binding.bind_ortvalue_input(name, slot.now.value)
    for name, array in zip(model.outputs, outputs, strict=True):
        binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
    for written, slot in zip(model.written.values(), updated, strict=True):
        for name, shape in written.items():
            binding.bind_ortvalue_output(name, slot.next.view(shape))
    return binding
