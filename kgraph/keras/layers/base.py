"""`Layer`: configuration in `__init__`, weights in `build`, ops in `call`.

Calling a layer on symbolic tensors builds it, runs its `call` under the layer's scope, propagates the mask and
records a node, so that models can find the way back from outputs to inputs. There is no shape rule beside `call`:
`compute_output_shape` traces. Subclasses written for Keras 2 or Keras 3 run unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import Any, ClassVar

from kgraph.errors import ArgumentTypeError, DataError, UnsupportedError, describe
from kgraph.ir import graph as ir
from kgraph.ir.graph import scope
from kgraph.ir.types import FLOATS
from kgraph.keras import dtype_policies, regularizers
from kgraph.keras.layers.config import (
    KEPT_AS,
    KEYWORDS,
    config_value,
    first_shape,
    init_parameters,
    is_shape,
    parameters_of,
)
from kgraph.keras.layers.connected import Connected
from kgraph.keras.layers.nodes import (
    Node,
    as_tensor,
    flatten,
    fresh,
    map_structure,
    origin,
    remember,
)
from kgraph.keras.layers.weights import Weighted
from kgraph.keras.layers.whole import as_one_call
from kgraph.keras.tensor import Tensor, Variable, as_value, collect_updates, placeholder_type, read_as
from kgraph.keras.utils.naming import given_name, to_snake_case, unique_name
from kgraph.keras.utils.warn import warn_user
from kgraph.ops.control import Gate, in_train_phase
from kgraph.ops.logic import cast
from kgraph.ops.shape import DimValue

# The value of `training=` of the model or layer call that is being traced, for layers that are not told.
_TRAINING: ContextVar[Any] = ContextVar("training", default=None)
# How many calls of layers are under way: what happens inside of a layer is its own affair and makes no nodes.
_DEPTH: ContextVar[int] = ContextVar("depth", default=0)


@contextmanager
def at_top() -> Iterator[None]:
    """Inside the block calls of layers make nodes, even while another layer is being called."""
    token = _DEPTH.set(0)
    try:
        yield
    finally:
        _DEPTH.reset(token)


class Layer(Connected, Weighted):
    """Base of all layers. Keyword arguments are those every Keras layer takes.

    Args: `name`, `trainable`, `dtype` (of weights and input, default floatx), `input_shape` or `batch_input_shape`
    (what a first layer gets; None for sizes that vary), `input_dim`, `weights` (initial values as for `set_weights`),
    `activity_regularizer`.
    Raises ArgumentTypeError for any other keyword.
    """

    supports_masking = False
    stateful = False
    autocast = True
    """Whether inputs and weights are cast to the dtype that the layer computes in."""
    precise: ClassVar[bool] = False
    """Whether it computes in the dtype of its weights nevertheless, and only its results are of the other."""
    _root: ClassVar[type]
    """The class whose subclasses describe themselves by the parameters of their `__init__`."""

    def __init__(self, **kwargs: Any) -> None:
        unknown = kwargs.keys() - KEYWORDS
        if unknown:
            raise ArgumentTypeError(
                describe(
                    f"{type(self).__name__}: unknown keyword argument",
                    expected=", ".join(sorted({*parameters_of(type(self)), *KEYWORDS} - {"kwargs"})),
                    got=", ".join(sorted(unknown)),
                )
            )
        self.name: str = given_name(kwargs.get("name")) or unique_name(to_snake_case(type(self).__name__))
        self._trainable = bool(kwargs.get("trainable", True))
        self._dtype_policy = dtype_policies.given_or_set(kwargs.get("dtype") or kwargs.get("input_dtype"))
        self.built = False
        self.input_spec: Any = None
        self._inbound_nodes: list[Node] = []
        self._outbound_nodes: list[Node] = []
        self._trainable_weights: list[Variable] = []
        self._non_trainable_weights: list[Variable] = []
        self._losses: list[Any] = []
        self._activity_penalties: list[Tensor] = []
        self._updates: list[tuple[ir.Variable, ir.Value]] = []
        self._metrics: list[Any] = []
        self._gate = Gate(self.name)
        self._initial_weights = kwargs.get("weights")
        self.activity_regularizer = regularizers.get(kwargs.get("activity_regularizer"))
        shape = first_shape(kwargs)
        if shape is not None:
            self.batch_input_shape = shape

    # -- what subclasses override

    def build(self, input_shape: Any) -> None:
        """Create the weights; called once, with the shape(s) of the first input (None for sizes that vary)."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs, made of K functions and other layers. The base class returns its input."""
        return inputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs. A layer that does not support masking loses it, with a warning."""
        if self.supports_masking:
            return mask
        if any(m is not None for m in flatten(mask)):
            warn_user(
                f"layer {self.name} ({type(self).__name__}) does not support masking: the mask ends here"
            )
        return None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output shape(s) for input shape(s), found by tracing `call` on placeholders."""
        leaves = map_structure(
            lambda s: Tensor(ir.Input("shape", placeholder_type(s, self.compute_dtype, "shape"))),
            input_shape,
            is_shape,
        )
        with self._scratch():
            self._build_once(leaves)
            outputs = self._call_in_dtype(leaves)
        return map_structure(lambda t: t.shape, outputs)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again: the base keywords and every parameter of `__init__`.

        Each parameter is read from the attribute of the same name. Raises UnsupportedError when there is none: such a
        class must write its own `get_config`.
        """
        config: dict[str, Any] = {"name": self.name, "trainable": self._trainable}
        if hasattr(self, "batch_input_shape"):
            config["batch_input_shape"] = tuple(self.batch_input_shape)
        if self._dtype_policy is not None:
            config["dtype"] = self._dtype_policy.name
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = config_value(self.activity_regularizer)
        for parameter in init_parameters(type(self), self._root):
            kept = KEPT_AS.get(parameter, parameter)
            if not hasattr(self, kept):
                raise UnsupportedError(
                    describe(
                        f"{type(self).__name__} cannot describe itself",
                        expected=f"an attribute {kept!r} for its argument, or a get_config method",
                        where=self.name,
                    )
                )
            config[parameter] = config_value(getattr(self, kept))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)

    # -- losses, updates, metrics

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add scalar tensors (or functions of none) to what training minimises."""
        for loss in flatten(losses):
            if loss is not None:
                self._losses.append(loss)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Add variable updates, as K.update, K.update_add and K.moving_average_update return them."""
        for update in updates if isinstance(updates, list) else [updates]:
            variable, value = update
            self._updates.append((_ir_variable(variable), as_value(value)))

    def add_metric(self, value: Any, aggregation: str | None = "mean", name: str | None = None) -> None:
        """Report a tensor as a metric."""
        self._metrics.append((name or f"{self.name}_metric", value))

    @property
    def losses(self) -> list[Any]:
        """Losses added in `call`, and the penalties of regularisers."""
        return [*self.added_losses, *self.penalties]

    @property
    def added_losses(self) -> list[Any]:
        """What `add_loss` was given, here and in the layers inside."""
        mine = [loss() if callable(loss) else loss for loss in self._losses]
        return mine + [loss for layer in self._sublayers() for loss in layer.added_losses]

    @property
    def penalties(self) -> list[Tensor]:
        """The terms of regularisers, of activities and of trainable weights. They count in training only."""
        found = list(self._activity_penalties)
        for weight in self._trainable_weights if self._trainable else ():
            if weight.regularizer is not None:
                with scope(self.name), scope("regularizer"):
                    found.append(weight.regularizer(weight))
        return found + [penalty for layer in self._sublayers() for penalty in layer.penalties]

    @property
    def updates(self) -> list[tuple[ir.Variable, ir.Value]]:
        """Variable updates of this layer, in order. A frozen layer that is not stateful has none."""
        mine = self._updates if self._trainable or self.stateful else []
        return [*mine, *(update for layer in self._sublayers() for update in layer.updates)]

    @property
    def closed_gates(self) -> list[Gate]:
        """The gates of this layer and those inside, as far as they are frozen: what training must not reach."""
        mine = [] if self._trainable else [self._gate]
        return [*mine, *(gate for layer in self._sublayers() for gate in layer.closed_gates)]

    @property
    def added_metrics(self) -> list[tuple[str, Any]]:
        """What `add_metric` was given, here and in the layers inside."""
        return [*self._metrics, *(metric for layer in self._sublayers() for metric in layer.added_metrics)]

    # -- calling

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        outermost = _DEPTH.get() == 0
        inputs = map_structure(as_tensor, inputs)
        if outermost:
            inputs = map_structure(adopt, inputs)
            args, kwargs = map_structure(lambda t: adopt(t) if isinstance(t, Tensor) else t, (args, kwargs))
        accepted = parameters_of(type(self).call)
        accepts_all = "kwargs" in accepted
        told = kwargs.get("mask") is not None
        if "mask" in accepted and kwargs.get("mask") is None:
            masks = map_structure(lambda t: t._keras_mask, inputs)
            if any(m is not None for m in flatten(masks)):
                kwargs["mask"] = masks
        given = kwargs.get("training")
        training = _TRAINING.get() if given is None else given
        if training is not None and ("training" in accepted or accepts_all):
            kwargs["training"] = training
        elif "training" in kwargs and "training" not in accepted and not accepts_all:
            del kwargs["training"]
        with scope(self.name), self._blamed():
            self._check_inputs(inputs)
            self._build_once(inputs)
            outputs = self._traced_call(training, inputs, *args, **kwargs)
        outputs = map_structure(lambda t: fresh(t, inputs, args, kwargs), outputs)
        self._set_masks(inputs, outputs, kwargs.get("mask"))
        self._regularize_activity(outputs)
        if outermost:
            # A mask that came with the inputs will come again when the layer is called again: no part of the wiring.
            wired = kwargs if told else {key: value for key, value in kwargs.items() if key != "mask"}
            self._record_node(inputs, outputs, args, wired)
        return outputs

    def _traced_call(self, training: Any, /, *args: Any, **kwargs: Any) -> Any:
        depth, phase = _DEPTH.set(_DEPTH.get() + 1), _TRAINING.set(training)
        try:
            with self._undone_on_error("_losses", "_updates", "_metrics"), collect_updates() as assigned:
                outputs = as_one_call(self, (args, kwargs), self._call_in_dtype(*args, **kwargs))
        finally:
            _DEPTH.reset(depth)
            _TRAINING.reset(phase)
        # Keras 3 style `variable.assign` in `call` becomes an update that acts in training.
        self._updates += [(variable, in_train_phase(value, variable)) for variable, value in assigned.items()]
        return outputs

    def _call_in_dtype(self, /, *args: Any, **kwargs: Any) -> Any:
        """`call`, with floating-point inputs, weights and outputs in the dtypes that the policy says."""
        if not self.autocast:
            with read_as(None):
                return self.call(*args, **kwargs)
        computed = self.compute_dtype
        inner = self.variable_dtype if self.precise else computed
        args, kwargs = map_structure(lambda t: _in_dtype(t, inner), (args, kwargs))
        with read_as(inner if inner != self.variable_dtype else None):
            outputs = self.call(*args, **kwargs)
        return map_structure(lambda t: _in_dtype(t, computed), outputs) if inner != computed else outputs

    def _build_once(self, inputs: Any) -> None:
        if self.built:
            return
        with self._undone_on_error("built", "_trainable_weights", "_non_trainable_weights", "_losses"):
            self.build(map_structure(lambda t: t.shape, inputs))
            self.built = True
            if self._initial_weights is not None:
                self.set_weights(self._initial_weights)
                self._initial_weights = None

    def _check_inputs(self, inputs: Any) -> None:
        if self.input_spec is None:
            return
        specs = self.input_spec if isinstance(self.input_spec, list | tuple) else [self.input_spec]
        tensors = flatten(inputs)
        if len(tensors) != len(specs):
            raise DataError(
                describe(f"layer {self.name}: wrong number of inputs", expected=len(specs), got=len(tensors))
            )
        for spec, tensor in zip(specs, tensors, strict=True):
            if spec is not None:
                spec.check(tensor, self.name)

    def _set_masks(self, inputs: Any, outputs: Any, mask: Any) -> None:
        given = mask if mask is not None else map_structure(lambda t: t._keras_mask, inputs)
        has_mask = any(m is not None for m in flatten(given))
        if not has_mask and type(self).compute_mask is Layer.compute_mask:
            return
        if not has_mask:
            given = None
        computed = self.compute_mask(inputs, given)
        tensors = flatten(outputs)
        masks = flatten(computed) if isinstance(computed, list | tuple) else [computed]  # of the first output
        for tensor, made in zip(tensors, masks, strict=False):
            tensor._keras_mask = made

    def _regularize_activity(self, outputs: Any) -> None:
        if self.activity_regularizer is None:
            return
        for tensor in flatten(outputs):
            with scope(self.name), scope("activity_regularizer"):
                penalty = self.activity_regularizer(tensor) / Tensor(_batch_size(tensor))
            self._activity_penalties.append(penalty)

    def _record_node(self, inputs: Any, outputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        node = Node(self, inputs, outputs, args, kwargs)
        self._inbound_nodes.append(node)
        for position, tensor in enumerate(flatten(outputs)):
            remember(tensor, self, len(self._inbound_nodes) - 1, position)
        for tensor in node.input_tensors:
            if tensor._keras_history is not None:
                tensor._keras_history[0]._outbound_nodes.append(node)

    @contextmanager
    def _scratch(self) -> Iterator[None]:
        """Trace without leaving losses, updates or nodes behind."""
        kept = (list(self._losses), list(self._updates), list(self._inbound_nodes))
        with collect_updates():
            try:
                yield
            finally:
                self._losses, self._updates, self._inbound_nodes = kept

    @contextmanager
    def _undone_on_error(self, *attributes: str) -> Iterator[None]:
        """When what is inside raises, put attributes back to what they were: the layer can be called again."""
        kept = {name: copy(getattr(self, name)) for name in attributes}
        try:
            yield
        except BaseException:
            vars(self).update(kept)
            raise

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Exceptions from inside get a note that names the layer, unless their text does already."""
        try:
            yield
        except Exception as error:
            if self.name not in str(error):
                error.add_note(f"in layer {self.name} ({type(self).__name__})")
            raise

    # -- layers inside of layers

    def _sublayers(self) -> list[Layer]:
        """Layers held in attributes, directly or in lists, tuples and dicts, in order of assignment."""
        found: dict[Layer, None] = {}
        for key, value in vars(self).items():
            if key not in ("_inbound_nodes", "_outbound_nodes"):
                for item in _contained(value):
                    found.setdefault(item)
        return list(found)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


Layer._root = Layer


def adopt(tensor: Tensor) -> Tensor:
    """A tensor with a history: what bare operators made of tensors of a graph becomes the output of a TensorOp."""
    if tensor._keras_history is not None or isinstance(tensor.value, ir.Input | ir.Constant | ir.Variable):
        return tensor
    frontier: dict[ir.Value, Tensor] = {}
    pending, seen = [tensor.value], {tensor.value}
    while pending:
        value = pending.pop()
        maker = origin(value)
        if maker is not None:
            frontier[value] = maker
        elif isinstance(value, ir.Result):
            new = [v for v in value.call.inputs if v not in seen]
            seen.update(new)
            pending += new
    if not frontier:
        return tensor
    made = TensorOp(tensor.value, list(frontier))(list(frontier.values()))
    made._keras_mask = tensor._keras_mask
    return made


class TensorOp(Layer):
    """What operators between layers compute, as a layer: `x * 2 + y` in a functional model. It is written in steps."""

    autocast = False

    def __init__(self, result: ir.Value, operands: Sequence[ir.Value], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.result, self.operands = result, tuple(operands)
        self.supports_masking = True

    def call(self, inputs: Any) -> Tensor:
        mapping = {old: t.value for old, t in zip(self.operands, flatten(inputs), strict=True)}
        made = ir.Function("tensor_op", (), {"y": self.result}).replace(mapping)
        return Tensor(made.outputs["y"])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def get_config(self) -> dict[str, Any]:
        """The values stand in it as they are: in files there are steps, which the functional model writes."""
        own = {"result": self.result, "operands": self.operands}
        return {"name": self.name, "trainable": self._trainable, **own}


def _in_dtype(item: Any, dtype: str) -> Any:
    """A floating-point tensor in a dtype; anything else as it is."""
    if not isinstance(item, Tensor) or item.dtype == dtype or item.dtype not in FLOATS:
        return item
    made = Tensor(cast(item.value, dtype))
    made._keras_mask = item._keras_mask
    return made


def _ir_variable(variable: Any) -> ir.Variable:
    return variable.variable if isinstance(variable, Variable) else variable


def _batch_size(tensor: Tensor) -> ir.Value:
    return DimValue(tensor.dims[0], tensor.dtype)()


def _contained(value: Any) -> Iterator[Layer]:
    if isinstance(value, Layer):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _contained(item)
    elif isinstance(value, dict):
        yield from _contained(list(value.values()))
