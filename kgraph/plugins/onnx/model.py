"""From a function to an ONNX model, and the names that its inputs, outputs and variables got there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kgraph.ir.graph import Function, Value, Variable
from kgraph.ir.types import Array
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.blocked.axpy import begun_as
from kgraph.plugins.onnx.emit import IR_VERSIONS, Emitter, Target
from kgraph.plugins.onnx.tidy import used_nodes

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Model:
    """An ONNX model with the names that its inputs and outputs got."""

    proto: onnx.ModelProto
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    state_inputs: Mapping[Variable, str]
    written: Mapping[Variable, Mapping[str, tuple[int, ...]]]
    """The outputs that go into the buffer of a new value, with their shapes: itself, and what it is made of there."""
    weights: Mapping[str, Array] = field(default_factory=dict)
    """Initialisers that are not in `proto`."""

    @property
    def state_outputs(self) -> Mapping[Variable, str]:
        """The outputs that are new values."""
        return {variable: next(iter(names)) for variable, names in self.written.items()}

    @property
    def adds_in_place(self) -> bool:
        """Whether some output is written over by another one."""
        return any(len(names) > 1 for names in self.written.values())


def build_model(
    function: Function,
    table: LoweringTable,
    target: Target,
    frozen: Mapping[Variable, Array] | None = None,
    state_names: Mapping[Variable, str] | None = None,
    views: bool = False,
    doc: str = "",
    metadata: Mapping[str, str] | None = None,
    apart: int | None = None,
) -> Model:
    """Emit a function as a model: inputs, then variables as inputs; outputs, then new values of variables.

    With `views` a new value may come in another shape than the variable (a Reshape into a buffer would copy), and be
    made in its buffer in two steps, both of which are outputs.
    Variables in `frozen` become initialisers. `state_names` names the others (default: their own names); the new value
    of a variable called `w` is the output `w.next`. Constants of more than `apart` bytes are left out of the proto.
    """
    from onnx import helper

    emitter = Emitter(table, target, apart=apart)
    names = state_names or {}
    inputs = [emitter.declare(leaf, leaf.name) for leaf in function.inputs]
    # Users name outputs; a variable of the same name gives way.
    reserved = {key: emitter.names(key) for key in function.outputs}
    state_inputs: dict[Variable, str] = {}
    for variable in function.variables():
        if frozen is not None and variable in frozen:
            emitter.freeze(variable, frozen[variable])
        else:
            inputs.append(emitter.declare(variable, names.get(variable, variable.name)))
            state_inputs[variable] = inputs[-1].name
    emitter.emit(function.calls())
    outputs = [emitter.output(value, reserved[key]) for key, value in function.outputs.items()]
    written: dict[Variable, Mapping[str, tuple[int, ...]]] = {}
    taken: set[Value] = set()
    for variable, value in function.updates.items():
        name = names.get(variable, variable.name)
        made = [emitter.output(value, emitter.names(f"{name}.next"), views)]
        begun = begun_as(value) if views else None
        if (
            begun is not None and begun not in taken
        ):  # a second variable of the same value gets a copy of that
            taken.add(begun)
            made.append(emitter.output(begun, emitter.names(f"{name}.begun"), views))
        outputs.extend(made)
        written[variable] = {info.name: _sizes(info) for info in made}
    nodes, used = used_nodes(emitter.nodes, [info.name for info in outputs])
    initializers = [tensor for tensor in emitter.initializers if tensor.name in used]
    graph = helper.make_graph(nodes, function.name, inputs, outputs, doc_string=doc or None)
    opsets = [helper.make_opsetid("", target.opset)]
    opsets += [helper.make_opsetid(domain, 1) for domain in sorted(emitter.domains) if domain]
    proto = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSIONS[target.opset], producer_name="kgraph"
    )
    proto.graph.initializer.extend(initializers)  # afterwards: making a model of a graph copies it
    if metadata:
        helper.set_model_props(proto, dict(metadata))
    count = len(function.inputs)
    return Model(
        proto,
        tuple(info.name for info in inputs[:count]),
        tuple(info.name for info in outputs[: len(function.outputs)]),
        state_inputs,
        written,
        {name: array for name, array in emitter.apart.items() if name in used},
    )


def _sizes(info: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The shape in a description whose sizes are all known."""
    return tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim)
