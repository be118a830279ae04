"""`Trainer`: compile, fit, evaluate, predict and their one-batch forms, for models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kgraph import compiler
from kgraph.errors import ArgumentTypeError, DataError, NotCompiledError, UnsupportedError, describe
from kgraph.ir.graph import Input
from kgraph.ir.types import Array
from kgraph.keras import optimizers
from kgraph.keras.callbacks.base import CallbackList, History, flat_callbacks
from kgraph.keras.callbacks.progress import ProgbarLogger
from kgraph.keras.tensor import Tensor, Variable
from kgraph.keras.training.arguments import (
    as_result,
    check_frequency,
    check_shuffle,
    is_due,
    old_keyword,
    refuse_later,
    shuffled,
    unpack_validation,
    verbosity,
    whole_number,
)
from kgraph.keras.training.data import count_samples, refuse_batches
from kgraph.keras.training.feed import Feed, input_arrays, target_arrays
from kgraph.keras.training.loop import Run, as_logs, interruptible, predict_batches, run_epoch, run_once
from kgraph.keras.training.objective import check_identifiers, make_objectives
from kgraph.keras.training.program import Training, trace_predict
from kgraph.keras.training.weighting import sample_weights


class Trainer:
    """The training methods of `Model`. The semantics are Keras's.

    Arguments that wait for a later version are refused.
    """

    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    input_names: list[str]
    output_names: list[str]
    _nested_outputs: Any = None
    stop_training: bool = False
    optimizer: Any = None
    loss: Any = None
    history: Any = None
    _training: Training | None = None
    _starts_at: tuple[int, int] = (0, 0)
    """Epoch and batch that training begins with. A callback that restores an interrupted training sets it."""
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
        arguments = {
            "loss": loss,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "weighted_metrics": weighted_metrics,
            "sample_weight_mode": sample_weight_mode,
        }
        check_identifiers(loss, metrics, weighted_metrics)
        chosen = optimizers.get(optimizer)
        # Nothing is changed before all of it is known to be right.
        training = self._make_training(arguments, chosen) if self.inputs else None
        self.optimizer, self.loss, self._compile_arguments, self._training = chosen, loss, arguments, training

    def _make_training(self, arguments: dict[str, Any], optimizer: Any) -> Training:
        return Training(self, make_objectives(self.output_names, self.outputs, **arguments), optimizer)

    def _prepare(self) -> Training:
        if self._training is None:
            self._training = self._make_training(self._require_compiled(), self.optimizer)
        return self._training

    def _make_optimizer_state(self) -> None:
        """Make the variables of the optimizer now, before the first step would: a file has their values."""
        training = self._prepare()
        if type(self.optimizer).get_updates is optimizers.Optimizer.get_updates:
            self.optimizer._build_for(training.trainable)
        else:  # one that makes them while it is traced
            training.step("train_step", frozenset(), {})

    def _require_compiled(self) -> dict[str, Any]:
        if self._compile_arguments is None:
            raise NotCompiledError(
                describe(
                    f"model {self.name} must be compiled before it is trained or evaluated",
                    expected="model.compile(optimizer, loss) first",
                )
            )
        return self._compile_arguments

    @property
    def _random_state(self) -> Variable | None:
        """What training draws its random numbers and its shuffles from; None until it is known what is trained."""
        return self._training.rng if self._training is not None else None

    def _forget_compiled(self) -> None:
        """The graph has changed: build the functions again when they are next needed."""
        self._training = None
        self._predictor = None

    @property
    def metrics(self) -> list[Any]:
        """The metric objects of all outputs. Empty before compile."""
        objectives = self._training.objectives if self._training is not None else []
        return [metric for o in objectives for metric in [*o.metrics, *o.weighted_metrics]]

    @property
    def metrics_names(self) -> list[str]:
        """The names of what evaluate and train_on_batch return. Raises NotCompiledError before compile."""
        return list(self._prepare().metrics_names)

    def reset_metrics(self) -> None:
        """Start the running means and counts of all metrics anew."""
        self._prepare().reset()

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
        class_weight: Any = None,
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
        wanted = range(whole_number(initial_epoch, "initial_epoch", 0), whole_number(epochs, "epochs", 0))
        level = verbosity(verbose)
        check_shuffle(shuffle)
        check_frequency(validation_freq)
        self._require_compiled()
        feed = self._feed(x, y, sample_weight)
        held_out = None
        if validation_data is not None:
            held_out = self._feed(*unpack_validation(validation_data))
        elif validation_split:
            feed, held_out = feed.split(validation_split)
        run = self._bind("train_step", feed.weighted_by_class(class_weight), batch_size)
        check = held_out and self._bind("eval_step", held_out, validation_batch_size or run.data.batch_size)
        names = self._prepare().metrics_names
        self.history = History()
        params = {
            "batch_size": run.data.batch_size,
            "epochs": wanted.stop,
            "steps": run.data.steps,
            "samples": run.data.size,
            "verbose": level,
            "do_validation": check is not None,
            "metrics": [*names, *(f"val_{name}" for name in names if check is not None)],
        }
        bar = [ProgbarLogger()] if level else []
        hooks = CallbackList([*flat_callbacks(callbacks), *bar, self.history], self, params)
        self._run_epochs(wanted, run, check, hooks, shuffle, validation_freq)
        return self.history

    def _run_epochs(
        self, epochs: range, run: Run, check: Run | None, hooks: CallbackList, shuffle: Any, frequency: Any
    ) -> None:
        training = self._prepare()
        names = training.metrics_names
        on_begin, on_end = hooks.batch_begin("train"), hooks.batch_end("train", names)
        self.stop_training = False
        self._starts_at = epochs.start, 0
        logs: dict[str, float] = {}
        hooks.on_train_begin()
        first_epoch, first_batch = self._starts_at
        with interruptible() as interrupt:
            for epoch in range(first_epoch, epochs.stop):
                self.reset_metrics()
                training.shuffled_from = None
                hooks.on_epoch_begin(epoch)
                order = shuffled(run.data.size, run.data.batch_size, shuffle, training.shuffler)
                numbers = run_epoch(
                    run, order, interrupt, on_begin, on_end, lambda: self.stop_training, first_batch
                )
                first_batch = 0
                logs = as_logs(names, numbers)
                if check is not None and is_due(frequency, epoch):
                    found = self._evaluate(check, hooks, interrupt)
                    logs |= {f"val_{name}": number for name, number in as_logs(names, found).items()}
                hooks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
        hooks.on_train_end(logs)

    def _evaluate(self, run: Run, hooks: CallbackList, interrupt: Any) -> Array:
        """Run an evaluation step over all batches, with the hooks of testing; the numbers."""
        names = self._prepare().metrics_names
        self.reset_metrics()
        hooks.on_test_begin()
        numbers = run_epoch(run, None, interrupt, hooks.batch_begin("test"), hooks.batch_end("test", names))
        hooks.on_test_end(as_logs(names, numbers))
        return numbers

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

        Regularisers and class weights act in training only, so the loss is that of the outputs and of `add_loss`.
        Raises NotCompiledError before compile, DataError for data that does not fit.
        """
        refuse_later(steps=steps)
        self._require_compiled()
        run = self._bind("eval_step", self._feed(x, y, sample_weight), batch_size)
        names = self._prepare().metrics_names
        hooks = self._hooks(callbacks, verbosity(verbose), run.data.steps, run.data.size, names)
        with interruptible() as interrupt:
            numbers = self._evaluate(run, hooks, interrupt)
        return as_logs(names, numbers) if return_dict else as_result(numbers)

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
        level = verbosity(verbose)
        arrays, size = self._prediction_data(x)
        batch = self._batch_size(batch_size)
        self._check_batch(size, batch)
        executable = self._predict_executable()
        if not level and not callbacks and size <= batch:
            outputs = executable.run("predict", [array[:] for array in arrays])
        else:
            hooks = self._hooks(callbacks, level, -(-size // batch), size, ())
            hooks.on_predict_begin()
            on_begin, on_end = hooks.batch_begin("predict"), hooks.batch_end("predict")
            with interruptible() as interrupt:
                outputs = predict_batches(
                    executable, "predict", arrays, size, batch, interrupt, on_begin, on_end
                )
            hooks.on_predict_end()
        return self._as_given(outputs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        arrays, size = self._prediction_data(x)
        self._check_batch(size, size)
        outputs = self._predict_executable().run("predict", [array[:] for array in arrays])
        return self._as_given(outputs)

    def _as_given(self, outputs: list[Array]) -> Any:
        """One array, a list, or a dict by name when the model was made or called with one."""
        if isinstance(self._nested_outputs, dict):
            return dict(zip(self.output_names, outputs, strict=True))
        return outputs[0] if len(outputs) == 1 else outputs

    def _hooks(
        self, callbacks: Any, level: int, steps: int, samples: int, names: Sequence[str]
    ) -> CallbackList:
        params = {"steps": steps, "samples": samples, "verbose": level, "metrics": list(names), "epochs": 1}
        return CallbackList([*flat_callbacks(callbacks), *([ProgbarLogger()] if level else [])], self, params)

    def _predict_executable(self) -> Any:
        if self._predictor is None:
            traced = trace_predict(self, self._training.rng if self._training is not None else None)
            self._predictor = compiler.compile_program([traced.function], freezable=["predict"])
        return self._predictor

    # -- one batch

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
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
        feed = self._feed(x, y, weights).weighted_by_class(class_weight)
        run = self._bind(kind, feed, feed.size)
        if reset:
            self.reset_metrics()
        return as_result(run_once(run))

    # -- data

    @property
    def input_names_fed(self) -> list[str]:
        """The names of the inputs that data is given for."""
        return [n for n, t in zip(self.input_names, self.inputs, strict=True) if isinstance(t.value, Input)]

    def _feed(self, x: Any, y: Any, sample_weight: Any) -> Feed:
        """Data as named arrays, checked. A model without input shape is built from the first data it sees."""
        inputs = self._inputs_by_name(x)
        trained = self._prepare().trained
        return Feed.of(
            inputs,
            target_arrays(y, self.output_names, trained),
            sample_weights(sample_weight, self.output_names, [objective.name for objective in trained]),
        )

    def _bind(self, kind: str, feed: Feed, batch_size: Any) -> Run:
        """The compiled step that takes such data, with the data."""
        size = self._batch_size(batch_size)
        self._check_batch(feed.size, size)
        training = self._prepare()
        traced = training.step(kind, frozenset(feed.weights), feed.target_shapes)
        data = feed.data(traced, size)
        return Run(training.executable(traced), kind, data)

    def _inputs_by_name(self, x: Any) -> dict[str, Array]:
        refuse_batches(x, "input")
        if not self.inputs:
            self._build_from_data(x)
        leaves = [t.value for t in self.inputs if isinstance(t.value, Input)]
        return input_arrays(x, leaves, self.input_names_fed)

    def _prediction_data(self, x: Any) -> tuple[list[Array], int]:
        inputs = self._inputs_by_name(x)
        # A model whose inputs are all tensors that exist already has nothing to feed.
        size = count_samples(inputs) if inputs else self._fixed_batch_size() or 1
        return list(inputs.values()), size

    def _fixed_batch_size(self) -> int | None:
        sizes = [t.dims[0] for t in self.inputs if t.dims and isinstance(t.dims[0], int)]
        return sizes[0] if sizes else None

    def _batch_size(self, given: Any) -> int:
        """The batch size asked for; when none is, the fixed one of the model, or 32."""
        return (self._fixed_batch_size() or 32) if given is None else whole_number(given, "batch_size", 1)

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
