"""From a function to an ONNX model: the emitter that lowerings talk to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kgraph.errors import GraphError, UnsupportedError, describe
from kgraph.ir.dims import Dim, Shape, Sym, as_ints, is_non_negative, symbol, symbol_name
from kgraph.ir.graph import (
    Call,
    Constant,
    Function,
    Input,
    Result,
    Value,
    Variable,
    exact_scope,
    topological,
)
from kgraph.ir.types import Array, TensorType
from kgraph.plugins.lowering import LoweringTable
from kgraph.plugins.onnx.tidy import rename, used_nodes

if TYPE_CHECKING:
    import onnx

DEFAULT_OPSET = 21
OLDEST_OPSET = 13
# The IR version that came with each opset: a runtime that knows the opset knows the IR version too.
IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}


@dataclass(frozen=True)
class Target:
    """What the model is for: an opset, a provider, and whether onnxruntime's own `com.microsoft` ops may be used."""

    opset: int = DEFAULT_OPSET
    device: str = "cpu"
    contrib: bool = False
    block: int = 0
    """The block size of the machine's convolution kernels; 0: the model must not depend on it."""

    def __post_init__(self) -> None:
        if self.opset not in IR_VERSIONS:
            raise UnsupportedError(
                describe(
                    "this opset cannot be written",
                    expected=f"{OLDEST_OPSET} to {DEFAULT_OPSET}",
                    got=self.opset,
                )
            )


@dataclass
class Names:
    """Makes names unique and free of characters that tools trip over."""

    taken: dict[str, int] = field(default_factory=dict)

    def __call__(self, wanted: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_./:-]", "_", wanted) or "value"
        while True:
            count = self.taken.get(base, 0)
            self.taken[base] = count + 1
            name = f"{base}_{count}" if count else base
            if name == base or name not in self.taken:
                self.taken.setdefault(name, 1)
                return name


class Emitter:
    """Collects the nodes and initialisers of one graph. Lowerings call `node`, `constant`, `dim` and friends."""

    def __init__(
        self, table: LoweringTable, target: Target, names: Names | None = None, apart: int | None = None
    ) -> None:
        from onnx import helper, numpy_helper  # heavy: loaded when something is emitted

        self._helper, self._numpy_helper = helper, numpy_helper
        self._table = table
        self.target = target
        self.names = names or Names()
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.apart: dict[str, Array] = {}
        """Initialisers above a size, if one is given, as arrays: they need not pass through protobuf."""
        self._largest_inside = apart
        self.domains: set[str] = set()
        self._outputs: set[str] = set()
        self._reshaped: dict[str, tuple[str, Shape]] = {}
        """Results of Reshape nodes: the operand and its shape."""
        self._values: dict[Value, str] = {}
        self._frozen: dict[Value, Array] = {}
        # Shape arithmetic and constants are shared by all calls.
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._symbols: dict[str, tuple[str, int]] = {}
        self._dims: dict[Dim, str] = {}
        self._scalars: dict[Dim, str] = {}
        self._ones: dict[Shape, str] = {}
        self._where = ""

    @property
    def opset(self) -> int:
        return self.target.opset

    # -- what lowerings use

    def node(self, op_type: str, *inputs: str, domain: str = "", name: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name. Empty input names are omitted inputs."""
        (output,) = self.nodes_with(op_type, inputs, 1, domain, name, attributes)
        return output

    def node_multi(
        self, op_type: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs."""
        return self.nodes_with(op_type, inputs, outputs, domain, "", attributes)

    def nodes_with(
        self,
        op_type: str,
        inputs: Iterable[str],
        outputs: int,
        domain: str,
        name: str,
        attributes: Mapping[str, Any],
    ) -> list[str]:
        label = self.names(f"{self._where}/{name or op_type}" if self._where else name or op_type)
        made = [label] if outputs == 1 else [self.names(f"{label}:{i}") for i in range(outputs)]
        kept = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(
            self._helper.make_node(op_type, list(inputs), made, name=label, domain=domain, **kept)
        )
        self.domains.add(domain)
        return made

    def constant(self, array: object, dtype: str | None = None, name: str = "constant") -> str:
        """An initialiser; equal small arrays share one."""
        value = np.asarray(array, dtype=dtype)
        key = (value.dtype.name, value.shape, value.tobytes() if value.nbytes <= 1024 else b"")
        if value.nbytes <= 1024 and key in self._constants:
            return self._constants[key]
        made = self.names(name)
        if self._largest_inside is not None and value.nbytes > self._largest_inside:
            self.apart[made] = value
            return made
        self.initializers.append(
            self._numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), made)
        )
        if value.nbytes <= 1024:
            self._constants[key] = made
        return made

    def known(self, value: Value) -> Array | None:
        """The array of a constant or frozen variable: a lowering can lay it out for the runtime here and now."""
        return value.array if isinstance(value, Constant) else self._frozen.get(value)

    def ints(self, values: Iterable[int]) -> str:
        """A one-dimensional int64 constant."""
        return self.constant(np.asarray(list(values), "int64"))

    def dim(self, dim: Dim) -> str:
        """A dimension as an int64 tensor of shape [1], computed at run time when it is symbolic."""
        if isinstance(dim, int):
            return self.ints([dim])
        if dim not in self._dims:
            self._dims[dim] = self._emit_dim(dim)
        return self._dims[dim]

    def scalar_dim(self, dim: Dim) -> str:
        """A dimension as an int64 scalar."""
        if isinstance(dim, int):
            return self.constant(dim, "int64")
        if dim not in self._scalars:
            self._scalars[dim] = self.node("Squeeze", self.dim(dim), name="dim")
        return self._scalars[dim]

    def shape(self, dims: Shape) -> str:
        """A shape as an int64 vector."""
        if all(isinstance(dim, int) for dim in dims):
            return self.ints(dims)  # type: ignore[arg-type]  # checked
        return self.node("Concat", *(self.dim(dim) for dim in dims), axis=0, name="Shape")

    def ones(self, dims: Shape) -> str:
        """A float32 tensor of ones; one for each shape."""
        if all(isinstance(dim, int) for dim in dims):
            return self.constant(np.ones(as_ints(dims), "float32"))
        if dims not in self._ones:
            self._ones[dims] = self.node(
                "Expand", self.constant(np.float32(1)), self.shape(dims), name="ones"
            )
        return self._ones[dims]

    def reshape_target(self, dims: Shape) -> str:
        """The shape operand of a Reshape: a constant with one -1 where at most one dimension is symbolic."""
        symbolic = [i for i, dim in enumerate(dims) if isinstance(dim, Sym)]
        if len(symbolic) > 1 or (symbolic and 0 in dims):
            return self.shape(dims)
        return self.ints(-1 if isinstance(dim, Sym) else dim for dim in dims)

    def reshape(self, name: str, before: Shape, after: Shape) -> str:
        """A Reshape node. Where its result may as well come in another shape, its operand stands in for it."""
        if name in self._reshaped and self._reshaped[name][1] == after:
            return self._reshaped[name][0]
        made = self.node("Reshape", name, self.reshape_target(after))
        self._reshaped[made] = (name, before)
        return made

    def elem_type(self, dtype: str) -> int:
        """The ONNX number of a dtype."""
        return elem_type(dtype)

    def subgraph(
        self,
        function: Function,
        name: str,
        captured: Mapping[Value, str] | None = None,
        views: int | None = None,
    ) -> onnx.GraphProto:
        """A function as the body of Loop, Scan or If: its inputs in order, then its outputs.

        Inputs in `captured` stand for values of the outer graph, which a body sees by their names. Outputs from number
        `views` on may come in another shape: a Reshape at the end of a body copies, one behind it does not.
        """
        outer = captured or {}
        inner = Emitter(self._table, self.target, self.names)
        inner._symbols = dict(self._symbols)
        inner._values = dict(self._values)
        inner._frozen = self._frozen
        inner._values.update(outer)
        inputs = [inner.declare(leaf, leaf.name) for leaf in function.inputs if leaf not in outer]
        inner.emit(function.calls())
        outputs = [
            inner.output(value, self.names(key), views is not None and number >= views)
            for number, (key, value) in enumerate(function.outputs.items())
        ]
        self.domains |= inner.domains
        nodes, _ = used_nodes(inner.nodes, [info.name for info in outputs])
        return self._helper.make_graph(nodes, name, inputs, outputs, inner.initializers)

    def inline(self, function: Function, captured: Mapping[Value, str]) -> str:
        """Emit a function with one output here; its inputs stand for the values that `captured` names."""
        self._values.update(captured)
        where = self._where
        self.emit(function.calls())
        self._where = where
        (result,) = function.outputs.values()
        return self.name(result)

    def require(self, opset: int, what: str, call: Call) -> None:
        """Raise UnsupportedError when the target's opset is older than `opset`."""
        if self.opset < opset:
            raise UnsupportedError(
                describe(
                    f"{what} needs a newer opset",
                    expected=f"opset {opset} or newer",
                    got=self.opset,
                    where=call.where,
                )
            )

    def expand(self, call: Call) -> list[str]:
        """Lower a composite op as its decomposition, for a target that lacks the native form."""
        with exact_scope(call.where):
            made = call.op.decompose(*call.inputs)
        results = made if isinstance(made, tuple) else (made,)
        self.emit(topological(results, stop=call.inputs))
        self._where = call.where
        return [self.name(result) for result in results]

    # -- what builds models

    def declare(self, leaf: Input | Variable, name: str) -> onnx.ValueInfoProto:
        """Give a leaf a name in the graph and return its description. Its bare symbols become known."""
        unique = self.names(name)
        self._values[leaf] = unique
        for axis, dim in enumerate(leaf.shape):
            bare = symbol_name(dim)
            if bare is not None:
                self._symbols.setdefault(bare, (unique, axis))
        return value_info(unique, leaf.type)

    def freeze(self, variable: Variable, array: Array) -> None:
        """Make a variable an initialiser holding `array`."""
        self._frozen[variable] = array
        self._values[variable] = self.constant(array, name=variable.name)

    def emit(self, calls: Sequence[Call]) -> None:
        """Lower calls, operands first."""
        for call in calls:
            if not self._table.supports(call.op) and not call.op.is_composite():
                raise UnsupportedError(
                    describe(f"no ONNX lowering for {call.op.name}", got=call.op, where=call.where)
                )
            self._where = call.where
            made = self._lower(call)
            names = [made] if isinstance(made, str) else list(made)
            for result, result_name in zip(call.results, names, strict=True):
                self._values[result] = result_name
        self._where = ""

    def _lower(self, call: Call) -> str | Sequence[str]:
        if not self._table.supports(call.op):
            return self.expand(call)
        made: str | Sequence[str] = self._table[type(call.op)](
            self, call, [self.name(v) for v in call.inputs]
        )
        return made

    def name(self, value: Value) -> str:
        """The name of a value that has been declared or emitted; constants become initialisers on first use."""
        if value not in self._values:
            if isinstance(value, Constant):
                self._values[value] = self.constant(value.array, name=value.name or "constant")
            else:
                raise GraphError(describe("a value is used before it is made", got=repr(value)))
        return self._values[value]

    def output(self, value: Value, name: str, view: bool = False) -> onnx.ValueInfoProto:
        """Make a value an output called exactly `name`: its node is renamed, leaves and repeats get an Identity.

        As a `view` it may come in the shape that it had before it was reshaped; if its sizes are known, so are those.
        """
        made, shape = self.name(value), value.shape
        while view and made in self._reshaped:
            source, before = self._reshaped[made]
            if not self._is_free(source) or (_is_static(shape) and not _is_static(before)):
                break
            made, shape = source, before
        if isinstance(value, Result) and self._is_free(made):
            rename(self.nodes, made, name)
            self._values = {v: name if n == made else n for v, n in self._values.items()}
        else:
            self.nodes.append(self._helper.make_node("Identity", [made], [name], name=self.names(name)))
        self._outputs.add(name)
        return value_info(name, value.type.with_shape(shape))

    def _is_free(self, name: str) -> bool:
        """Whether a node here makes the value and it is no output yet."""
        return name not in self._outputs and any(name in node.output for node in self.nodes)

    def _emit_dim(self, dim: Sym) -> str:
        name = symbol_name(dim)
        if name is not None:
            return self._emit_symbol(name)
        total = ""
        for monomial, coefficient in dim.terms:
            factors = [self._emit_atom(atom.kind, atom.args) for atom in monomial]
            if coefficient != 1 or not factors:
                factors.append(self.ints([coefficient]))
            term = factors[0]
            for factor in factors[1:]:
                term = self.node("Mul", term, factor, name="dim")
            total = self.node("Add", total, term, name="dim") if total else term
        return total

    def _emit_atom(self, kind: str, args: tuple[Dim | str, ...]) -> str:
        if kind == "symbol":
            return self._emit_symbol(str(args[0]))
        numbers = [arg for arg in args if not isinstance(arg, str)]
        left, right = map(self.dim, numbers)
        if kind == "floordiv" and not all(map(is_non_negative, numbers)):
            # Div rounds towards zero; Mod has the sign of the divisor, so what is left divides exactly.
            left = self.node("Sub", left, self.node("Mod", left, right, name="dim"), name="dim")
        return self.node("Div" if kind == "floordiv" else "Max", left, right, name="dim")

    def _emit_symbol(self, name: str) -> str:
        if name not in self._symbols:
            raise GraphError(
                describe(
                    f"no input has the dimension {name!r}", expected=", ".join(self._symbols) or "an input"
                )
            )
        source, axis = self._symbols[name]
        key = symbol(name)
        if key not in self._dims:
            if self.opset >= 15:
                self._dims[key] = self.node("Shape", source, start=axis, end=axis + 1, name=name)
            else:
                self._dims[key] = self.node("Gather", self.node("Shape", source), self.ints([axis]), axis=0)
        return self._dims[key]


def _is_static(shape: Shape) -> bool:
    return all(isinstance(dim, int) for dim in shape)


def elem_type(dtype: str) -> int:
    """The ONNX number of a dtype."""
    from onnx import TensorProto

    if dtype == "bfloat16":
        return int(TensorProto.BFLOAT16)
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def value_info(name: str, type: TensorType) -> onnx.ValueInfoProto:
    """An ONNX value description; symbolic dimensions keep their text."""
    from onnx import helper

    return helper.make_tensor_value_info(
        name, elem_type(type.dtype), [d if isinstance(d, int) else str(d) for d in type.shape]
    )
