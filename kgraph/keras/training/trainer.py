"""`Trainer`: compile, fit, evaluate, predict and their one-batch forms, for models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kgraph import compiler
from kgraph.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    NotCompiledError,
    UnsupportedError,
    describe,
)
from kgraph.ir.graph import Input
from kgraph.keras import losses, optimizers
from kgraph.keras.callbacks.base import CallbackList, History, flat_callbacks
from kgraph.keras.callbacks.progress import ProgbarLogger
from kgraph.keras.layers.nodes import flatten
from kgraph.keras.tensor import Tensor
from kgraph.keras.training.arguments import (
    as_result,
    fit_weight,
    is_due,
    leaves_of,
    old_keyword,
    refuse_later,
    shuffled,
    targets_by_name,
)
from kgraph.keras.training.data import (
    ArrayData,
    check_lengths,
    class_weights,
    fit_array,
    standardize,
)
from kgraph.keras.training.loop import as_logs, interruptible, predict_batches, run_epoch, run_once
from kgraph.keras.training.objective import make_objectives
from kgraph.keras.training.program import Traced, Training, trace_predict

Array = np.ndarray[Any, np.dtype[Any]]


class Trainer:
    """The training methods of `Model`. The semantics are Keras's.

    Arguments that wait for a later version are refused.
    """

    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    output_names: list[str]
    stop_training: bool
    optimizer: Any = None
    loss: Any = None
    _training: Training | None = None
    _predictor: Any = None
    _compile_arguments: dict[str, Any] | None = None

    # -- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        **kwargs: Any,
    ) -> None:
        """Choose what and how to train. What is `trainable` now is what will be trained.

        Args: `optimizer` and `loss` as names, objects or functions; `loss`, `metrics`, `loss_weights`,
        `weighted_metrics`, `sample_weight_mode` one for all outputs, a list in order, or a dict by output name.
        Raises ArgumentError (a ValueError) for identifiers and outputs that do not exist.
        """
        if target_tensors is not None:
            raise UnsupportedError(
                describe("target_tensors is not taken yet", expected="None", where=self.name)
            )
        for name in kwargs:
            if name not in ("run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss"):
                raise ArgumentTypeError(
                    describe("compile: unknown keyword argument", got=name, where=self.name)
                )
        self.optimizer = optimizers.get(optimizer)
        self.loss = loss
        self._compile_arguments = {
            "loss": loss,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "weighted_metrics": weighted_metrics,
            "sample_weight_mode": sample_weight_mode,
        }
        self._training = None
        for item in flatten(loss):
            losses.get(item)  # an unknown name is refused now, even if the outputs are not known yet
        self._trainable_at_compile = list(self.trainable_weights) if self.inputs else None
        if self.inputs:
            self._prepare()

    def _prepare(self) -> Training:
        if self._training is None:
            arguments = self._require_compiled()
            objectives = make_objectives(self.output_names, self.outputs, **arguments)
            trainable = self._trainable_at_compile or list(self.trainable_weights)
            self._training = Training(self, objectives, self.optimizer, trainable)
        return self._training

    def _require_compiled(self) -> dict[str, Any]:
        if self._compile_arguments is None:
            raise NotCompiledError(
                describe(
                    f"model {self.name} must be compiled before it is trained or evaluated",
                    expected="model.compile(optimizer, loss) first",
                )
            )
        return self._compile_arguments

    def _forget_compiled(self) -> None:
        """The graph has changed: build the functions again when they are next needed."""
        self._training = None
        self._predictor = None
        self._trainable_at_compile = None

    @property
    def metrics_names(self) -> list[str]:
        """The names of what evaluate and train_on_batch return. Raises NotCompiledError before compile."""
        return list(self._prepare().metrics_names)

    def reset_metrics(self) -> None:
        """Start the running means and counts of all metrics anew."""
        for variable in self._prepare().metric_variables:
            variable.variable.storage.write(np.zeros(variable.variable.type.static_shape, variable.dtype))

    # -- fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        validation_batch_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Train for `epochs` passes over the data; a History with the numbers of each epoch.

        Args: `x`, `y` arrays, lists of arrays or dicts by name; `batch_size` (32); `validation_split` the last
        fraction of the samples, taken before shuffling; `validation_data` (x, y) or (x, y, sample_weight);
        `shuffle` the samples before each epoch, or the batches with "batch"; `class_weight` and `sample_weight`
        scale the loss; `epochs` is the number of the last epoch when `initial_epoch` is not 0. Raises
        NotCompiledError before compile, DataError for data that does not fit.
        """
        epochs = old_keyword(kwargs, "nb_epoch", "epochs", epochs)
        if kwargs:
            raise ArgumentTypeError(
                describe("fit: unknown keyword argument", got=", ".join(kwargs), where=self.name)
            )
        refuse_later(steps_per_epoch=steps_per_epoch, validation_steps=validation_steps)
        self._require_compiled()
        data, traced, weighted = self._training_data(
            x, y, batch_size, sample_weight, class_weight, "train_step"
        )
        validation = None
        if validation_data is not None:
            validation = self._validation_data(validation_data, validation_batch_size or data.batch_size)
        elif validation_split:
            data, last = data.split(validation_split)
            validation = (last, self._prepare().step("eval_step", weighted, self._shapes(traced, last)))
        return self._fit_loop(
            data, traced, epochs, initial_epoch, verbose, callbacks, validation, shuffle, validation_freq
        )

    def _fit_loop(
        self,
        data: ArrayData,
        traced: Traced,
        epochs: int,
        initial_epoch: int,
        verbose: Any,
        callbacks: Any,
        validation: Any,
        shuffle: Any,
        validation_freq: Any,
    ) -> Any:
        training = self._prepare()
        executable = training.executable(traced)
        names = training.metrics_names
        self.history = History()
        params = {
            "batch_size": data.batch_size,
            "epochs": epochs,
            "steps": data.steps,
            "samples": data.size,
            "verbose": verbose,
            "do_validation": validation is not None,
            "metrics": [*names, *(f"val_{name}" for name in names if validation is not None)],
        }
        bar = [ProgbarLogger()] if verbose else []
        hooks = CallbackList([*flat_callbacks(callbacks), *bar, self.history], self, params)
        self.stop_training = False
        on_begin, on_end = hooks.batch_begin("train"), hooks.batch_end("train", names)
        hooks.on_train_begin()
        with interruptible() as interrupt:
            for epoch in range(initial_epoch, epochs):
                self.reset_metrics()
                hooks.on_epoch_begin(epoch)
                order = shuffled(data.size, data.batch_size, shuffle)
                numbers = run_epoch(
                    executable,
                    "train_step",
                    data,
                    order,
                    interrupt,
                    on_begin,
                    on_end,
                    lambda: self.stop_training,
                )
                logs = as_logs(names, numbers)
                if validation is not None and is_due(validation_freq, epoch):
                    values, function = validation
                    self.reset_metrics()
                    found = run_epoch(training.executable(function), "eval_step", values, None, interrupt)
                    logs |= {f"val_{name}": number for name, number in as_logs(names, found).items()}
                hooks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
        hooks.on_train_end()
        return self.history

    def _training_data(
        self, x: Any, y: Any, batch_size: Any, sample_weight: Any, class_weight: Any, kind: str
    ) -> tuple[ArrayData, Traced, frozenset[str]]:
        """The arrays of a step in its order, the step, and the outputs that have sample weights."""
        self._build_for(x)
        size = self._batch_size(batch_size)
        training = self._prepare()
        xs = self._input_arrays(x)
        trained = training.trained
        names = [o.name for o in trained]
        ys = targets_by_name(y, trained)
        weights = self._sample_weights(sample_weight, class_weight, ys)
        weighted = frozenset(weights)
        traced = training.step(kind, weighted, {n: a.shape for n, a in ys.items()})
        leaves = traced.function.inputs[len(xs) :]
        arrays = [*xs]
        for name, leaf in zip(names, leaves, strict=False):
            arrays.append(fit_array(ys[name], leaf, f"target {name!r}"))
        for name, leaf in zip(traced.weights, leaves[len(names) :], strict=True):
            arrays.append(fit_weight(weights[name], leaf, name))
        labels = [
            *traced.inputs,
            *(f"{n}_target" for n in names),
            *(f"{n}_sample_weight" for n in traced.weights),
        ]
        samples = check_lengths(arrays, labels)
        self._check_batch(samples, size)
        return ArrayData(arrays, int(size), samples), traced, weighted

    def _sample_weights(
        self, sample_weight: Any, class_weight: Any, ys: Mapping[str, Array]
    ) -> dict[str, Array]:
        names = list(ys)
        found: dict[str, Array] = {}
        if sample_weight is not None:
            if isinstance(sample_weight, Mapping):
                given = dict(sample_weight)
            elif (
                isinstance(sample_weight, list | tuple)
                and len(sample_weight) == len(names)
                and np.ndim(sample_weight[0])
            ):
                given = dict(zip(names, sample_weight, strict=True))
            else:
                given = dict.fromkeys(names, sample_weight)
            unknown = [name for name in given if name not in names]
            if unknown:
                raise DataError(
                    describe(
                        "sample_weight names no output", expected=", ".join(names), got=", ".join(unknown)
                    )
                )
            found = {name: np.asarray(w, "float32") for name, w in given.items() if w is not None}
        if class_weight is not None:
            per_output = class_weight if any(isinstance(v, Mapping) for v in class_weight.values()) else None
            for name in names:
                table = per_output.get(name) if per_output else class_weight
                if table is not None:
                    weights = class_weights(ys[name], table)
                    found[name] = found[name] * weights if name in found else weights
        return found

    def _validation_data(self, validation_data: Any, batch_size: int) -> tuple[ArrayData, Traced]:
        if not isinstance(validation_data, list | tuple) or len(validation_data) not in (2, 3):
            raise DataError(
                describe(
                    "bad validation_data",
                    expected="(x, y) or (x, y, sample_weight)",
                    got=f"{type(validation_data).__name__}"
                    + (f" of {len(validation_data)}" if isinstance(validation_data, list | tuple) else ""),
                )
            )
        x, y, *rest = validation_data
        data, traced, _ = self._training_data(x, y, batch_size, rest[0] if rest else None, None, "eval_step")
        return data, traced

    def _shapes(self, traced: Traced, data: ArrayData) -> dict[str, tuple[int, ...]]:
        first = len(traced.inputs)
        return {n: a.shape for n, a in zip(traced.targets, data.arrays[first:], strict=False)}

    # -- evaluate and predict

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data, without training behaviour: one number, or a list as in `metrics_names`.

        Raises NotCompiledError before compile, DataError for data that does not fit.
        """
        refuse_later(steps=steps)
        self._require_compiled()
        data, traced, _ = self._training_data(x, y, batch_size, sample_weight, None, "eval_step")
        training = self._prepare()
        self.reset_metrics()
        names = training.metrics_names
        hooks = self._hooks(callbacks, verbose, data.steps, data.size, names)
        hooks.on_test_begin()
        with interruptible() as interrupt:
            numbers = run_epoch(
                training.executable(traced),
                "eval_step",
                data,
                None,
                interrupt,
                hooks.batch_begin("test"),
                hooks.batch_end("test", names),
            )
        logs = as_logs(names, numbers)
        hooks.on_test_end(logs)
        return logs if return_dict else as_result(numbers)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The outputs for input data, computed in batches: an array, or a list of arrays.

        Raises DataError for data that does not fit, or a number of samples that a stateful model cannot split evenly.
        """
        refuse_later(steps=steps)
        self._build_for(x)
        arrays = self._input_arrays(x)
        size = check_lengths(arrays, self.input_names_fed)
        batch = self._batch_size(batch_size)
        self._check_batch(size, batch)
        executable = self._predict_executable()
        if not verbose and not callbacks and size <= batch:
            outputs = executable.run("predict", arrays)
        else:
            hooks = self._hooks(callbacks, verbose, -(-size // batch), size, ())
            hooks.on_predict_begin()
            with interruptible() as interrupt:
                outputs = predict_batches(
                    executable, "predict", arrays, size, batch, interrupt, hooks.batch_end("predict")
                )
            hooks.on_predict_end()
        return outputs[0] if len(outputs) == 1 else outputs

    def _hooks(
        self, callbacks: Any, verbose: Any, steps: int, samples: int, names: Sequence[str]
    ) -> CallbackList:
        params = {"steps": steps, "samples": samples, "verbose": verbose, "metrics": list(names), "epochs": 1}
        return CallbackList(
            [*flat_callbacks(callbacks), *([ProgbarLogger()] if verbose else [])], self, params
        )

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        self._build_for(x)
        arrays = self._input_arrays(x)
        check_lengths(arrays, self.input_names_fed)
        outputs = self._predict_executable().run("predict", arrays)
        return outputs[0] if len(outputs) == 1 else outputs

    def _predict_executable(self) -> Any:
        if self._predictor is None:
            traced = trace_predict(self, self._training.rng if self._training is not None else None)
            self._predictor = compiler.compile_program([traced.function], freezable=["predict"])
        return self._predictor

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        reset_metrics: bool = True,
    ) -> Any:
        """One update on one batch; the loss, or a list as in `metrics_names`."""
        return self._on_batch("train_step", x, y, sample_weight, class_weight, reset_metrics)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, reset_metrics: bool = True
    ) -> Any:
        """The loss and the metrics on one batch."""
        return self._on_batch("eval_step", x, y, sample_weight, None, reset_metrics)

    def _on_batch(self, kind: str, x: Any, y: Any, weights: Any, class_weight: Any, reset: bool) -> Any:
        self._require_compiled()
        size = max(1, len(next(iter(leaves_of(x)))))
        data, traced, _ = self._training_data(x, y, size, weights, class_weight, kind)
        if reset:
            self.reset_metrics()
        return as_result(run_once(self._prepare().executable(traced), kind, data.arrays))

    # -- data

    @property
    def input_names_fed(self) -> list[str]:
        """The names of the inputs that data is given for."""
        return [n for n, t in zip(self.input_names, self.inputs, strict=True) if isinstance(t.value, Input)]

    def _input_arrays(self, x: Any) -> list[Array]:
        leaves = [t.value for t in self.inputs if isinstance(t.value, Input)]
        return standardize(x, leaves, self.input_names_fed, "input") if leaves else []

    def _build_for(self, x: Any) -> None:
        """Build a model that had no input shape from the first data it sees."""
        if not self.inputs:
            self._build_from_data(x)

    def _fixed_batch_size(self) -> int | None:
        fixed = self.inputs[0].dims[0] if self.inputs and self.inputs[0].dims else None
        return fixed if isinstance(fixed, int) else None

    def _batch_size(self, given: Any) -> int:
        """The batch size asked for; when none is, the fixed one of the model, or 32."""
        size = (self._fixed_batch_size() or 32) if given is None else given
        if not isinstance(size, int | np.integer) or size < 1:
            raise ArgumentError(
                describe("bad batch_size", expected="an integer of 1 or more", got=repr(given))
            )
        return int(size)

    def _check_batch(self, samples: int, batch: int) -> None:
        """A model with a fixed batch size takes whole batches of exactly that size."""
        fixed = self._fixed_batch_size()
        if fixed is not None and (samples % fixed or batch != fixed):
            raise DataError(
                describe(
                    f"model {self.name} has a fixed batch size",
                    expected=f"batch_size={fixed} and a multiple of {fixed} samples",
                    got=f"batch_size={batch} and {samples} samples",
                )
            )
