"""`TensorBoard`: files that TensorBoard shows."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from kgraph.errors import ArgumentError, KgraphError, describe
from kgraph.ir.types import Array
from kgraph.keras.backend.function import function
from kgraph.keras.callbacks.base import Callback, Logs
from kgraph.keras.callbacks.event_log import EventLog, require_tensorboard
from kgraph.keras.callbacks.monitor import learning_rate
from kgraph.keras.callbacks.projector import metadata_by_layer, write_embeddings
from kgraph.keras.layers import registry
from kgraph.keras.layers.embeddings import Embedding
from kgraph.keras.saving.dialects import KERAS3, write_model
from kgraph.keras.saving.plain import to_json_text
from kgraph.keras.training.arguments import whole_number
from kgraph.keras.utils.warn import warn_user


class TensorBoard(Callback):
    """Write what TensorBoard shows (`tensorboard --logdir logs`): the runs `train` and `validation` below `log_dir`.

    log_dir                 a folder, made when there is something to write
    histogram_freq          epochs between histograms of the weights; 0 for none
    write_graph             the layers of the model and the ops of its training step
    write_images            the weights as images, too, where there are histograms
    write_steps_per_second  how many batches are trained in a second
    update_freq             "epoch", "batch", or a number of batches, after which numbers of batches are written
    profile_batch           0: there is no profile to write. Other values of Keras are taken, with a warning
    embeddings_freq         epochs between tables of embeddings for the projector; 0 for none
    embeddings_metadata     the path of a TSV file with a row for each vector, or such paths by the names of layers

    Older arguments: `embeddings_layer_names` chooses the layers with embeddings, all `Embedding` layers by default;
    their weights are shown, or with `embeddings_data` (inputs of the model, predicted `batch_size` at a time) their
    outputs. `write_grads` is taken with a warning: gradients are used within a step, and none is left when it ends.

    The tags are those of Keras: `epoch_loss` and the like at numbers of epochs, `epoch_learning_rate`, `batch_loss`
    at numbers of steps, `evaluation_loss_vs_iterations` after each evaluation, `<weight>/histogram`, `<weight>/image`.
    Steps are counted by the optimizer, so a second `fit` goes on where the first one ended.
    Raises LibraryError without the `tensorboard` package, ArgumentError for values that are not as above.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
        batch_size: int | None = None,
        write_grads: bool = False,
        embeddings_layer_names: Any = None,
        embeddings_data: Any = None,
    ) -> None:
        super().__init__()
        require_tensorboard()
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = whole_number(histogram_freq, "histogram_freq", 0)
        self.write_graph, self.write_images = write_graph, write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = _update_frequency(update_freq)
        self.embeddings_freq = whole_number(embeddings_freq, "embeddings_freq", 0)
        self.embeddings_metadata, self.embeddings_data = embeddings_metadata, embeddings_data
        self.embeddings_layer_names, self.batch_size = embeddings_layer_names, batch_size
        _check_profile(profile_batch)
        if write_grads:
            warn_user("TensorBoard: gradients are not kept after a step, so there are no histograms of them")
        self._train = EventLog(Path(self.log_dir, "train"))
        self._validation = EventLog(Path(self.log_dir, "validation"))
        self._drawn: Any = None  # the model whose graph was written
        self._step = self._first_step = 0
        self._epoch_began = self._batch_began = 0.0
        if self.update_freq != "epoch":
            # Of the instance: a step has a hook to call only where somebody wants it.
            self.on_train_batch_begin = self._begin_batch
            self.on_train_batch_end = self._end_batch

    # -- training

    def on_train_begin(self, logs: Logs = None) -> None:
        if self.write_graph and self._drawn is not self.model:
            self._write_layers()
        if self.embeddings_freq:
            self._embedding_layers()  # raises for names that are none

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._step = self._first_step = self._iterations()
        self._epoch_began = time.perf_counter()

    def _begin_batch(self, batch: int, logs: Logs = None) -> None:
        self._batch_began = time.perf_counter()

    def _end_batch(self, batch: int, logs: Logs = None) -> None:
        self._step += 1
        if self._step % self.update_freq:
            return
        numbers = {name: value for name, value in (logs or {}).items() if name not in ("batch", "size")}
        if self.write_steps_per_second:
            numbers["steps_per_second"] = 1.0 / (time.perf_counter() - self._batch_began)
        self._write(self._train, "batch_{}", numbers, self._step)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        seconds = time.perf_counter() - self._epoch_began
        reported = dict(logs or {})
        checked = {name: reported.pop(name) for name in list(reported) if name.startswith("val_")}
        reported["learning_rate"] = learning_rate(self.model)
        if self.write_steps_per_second:
            reported["steps_per_second"] = (self._iterations() - self._first_step) / seconds
        if self.write_graph and self._drawn is not self.model:
            self._write_ops()
        self._write(self._train, "epoch_{}", reported, epoch)
        named = {name.removeprefix("val_"): value for name, value in checked.items()}
        self._write(self._validation, "epoch_{}", named, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings()

    def on_test_end(self, logs: Logs = None) -> None:
        if self.model.optimizer is not None:
            self._write(self._validation, "evaluation_{}_vs_iterations", dict(logs or {}), self._iterations())

    def _iterations(self) -> int:
        return int(np.asarray(self.model.optimizer.iterations))

    def _write(self, run: EventLog, tag: str, numbers: dict[str, Any], step: int) -> None:
        for name, value in numbers.items():
            run.scalar(tag.format(name), value, step)
        run.flush()

    # -- the model

    def _write_layers(self) -> None:
        """The conceptual graph, in the form of Keras 3, which TensorBoard knows. A subclassed model has none."""
        try:
            described = write_model(registry.serialize(self.model), KERAS3)
        except KgraphError as error:
            warn_user(f"TensorBoard: there is no graph of the layers of {self.model.name}: {error}")
            return
        if "layers" in described["config"]:
            self._train.keras_model(to_json_text(described))

    def _write_ops(self) -> None:
        for step in self.model._prepare().train_steps[:1]:
            self._train.graph(step)
        self._drawn = self.model

    def _write_weights(self, epoch: int) -> None:
        for layer in self.model.layers:
            for weight in layer.weights:
                name, values = weight.name.replace(":", "_"), weight.numpy()
                self._train.histogram(f"{name}/histogram", values, epoch)
                if self.write_images and (pictures := weight_pictures(values)) is not None:
                    self._train.images(f"{name}/image", pictures, epoch)
        self._train.flush()

    # -- embeddings

    def _embedding_layers(self) -> list[Any]:
        layers = [layer for layer in self.model.layers if isinstance(layer, Embedding)]
        if self.embeddings_layer_names:
            layers = [self.model.get_layer(name) for name in self.embeddings_layer_names]
        self._metadata = metadata_by_layer(self.embeddings_metadata, [layer.name for layer in layers])
        for layer in layers:
            if self.embeddings_data is None and not isinstance(layer, Embedding):
                raise ArgumentError(
                    describe(
                        "TensorBoard: only an Embedding layer has embeddings of its own",
                        expected="embeddings_data, for the outputs of another layer",
                        got=f"{type(layer).__name__} {layer.name}",
                    )
                )
        return layers

    def _write_embeddings(self) -> None:
        vectors = {layer.name: self._vectors(layer) for layer in self._embedding_layers()}
        write_embeddings(Path(self.log_dir), vectors, self._metadata)

    def _vectors(self, layer: Any) -> Array:
        """[count, size]: the weights of a layer, or its outputs for `embeddings_data`, flat."""
        if self.embeddings_data is None:
            return np.asarray(layer.get_weights()[0])
        data, size = self.embeddings_data, self.batch_size or 32
        arrays = [np.asarray(array) for array in (data if isinstance(data, list | tuple) else [data])]
        outputs = function(self.model.inputs, [layer.output])
        starts = range(0, len(arrays[0]), size)
        parts = [outputs([array[start : start + size] for array in arrays])[0] for start in starts]
        return np.concatenate([part.reshape(len(part), -1) for part in parts])


def weight_pictures(values: Array) -> Array | None:
    """A weight as images [count, height, width, 1 or 3], axes of size 1 left out.

    A vector is a row, a matrix lies on its longer side, and of what has three axes there is an image for each entry of
    the last one, in colour where a convolution kernel has three input channels. None for what has more axes.
    """
    squeezed = values.squeeze()
    if squeezed.ndim <= 2:
        flat = np.atleast_2d(squeezed)
        return (flat.T if flat.shape[0] > flat.shape[1] else flat)[None, :, :, None]
    if squeezed.ndim == 4 and squeezed.shape[2] == 3:
        return squeezed.transpose(3, 0, 1, 2)
    return squeezed.transpose(2, 0, 1)[..., None] if squeezed.ndim == 3 else None


def _update_frequency(value: Any) -> Any:
    """ "epoch", or a number of batches. Raises ArgumentError for anything else."""
    if isinstance(value, str) and value in ("batch", "epoch"):
        return 1 if value == "batch" else value
    return whole_number(value, "update_freq (or 'batch' or 'epoch')", 1)


def _check_profile(value: Any) -> None:
    """Warn of a profile that is asked for. Raises ArgumentError for what is no batch and no range of batches."""
    try:
        parts = (
            [int(part) for part in value.split(",")] if isinstance(value, str) else list(np.atleast_1d(value))
        )
        first, last = (parts * 2)[:2] if len(parts) == 1 else parts
        valid = 0 <= first <= last and all(isinstance(part, int | np.integer) for part in parts)
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ArgumentError(
            describe(
                "TensorBoard: bad profile_batch",
                expected="a number of a batch, or the first and the last number; 0 for none",
                got=repr(value),
            )
        )
    if last:
        warn_user(
            "TensorBoard: there is no profile to write; training goes on without, as with profile_batch=0"
        )
