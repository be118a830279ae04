"""How a model is trained, as files hold it: `training_config` of HDF5 files, `compile_config` of Keras 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kgraph.errors import ArgumentError, FileError, KgraphError, describe
from kgraph.keras import losses, metrics, optimizers
from kgraph.keras.saving.dialects.forms import TRAINING, Form
from kgraph.keras.saving.dialects.functions import function_entry, is_code, load_code
from kgraph.keras.saving.dialects.known import KINDS, is_custom
from kgraph.keras.saving.dialects.reading import Reader, without_foreign
from kgraph.keras.saving.dialects.writing import KERAS2, Writer
from kgraph.keras.saving.limits import made_of
from kgraph.keras.utils.custom_objects import get_registered_name, get_registered_object

ARGUMENTS = ("loss", "metrics", "weighted_metrics", "loss_weights", "sample_weight_mode")
DESERIALIZE: Mapping[str, Callable[..., Any]] = {
    "optimizers": optimizers.deserialize,
    "losses": losses.deserialize,
    "metrics": metrics.deserialize,
}


def compile_arguments(config: Mapping[str, Any], reader: Reader) -> dict[str, Any] | None:
    """The arguments of `compile` that a file holds, as objects and names. None when the model was not compiled."""
    optimizer = config.get("optimizer_config", config.get("optimizer"))
    if optimizer is None:
        return None
    with _hinting(), made_of("its training"):
        return {
            "optimizer": revive(optimizer, "optimizers", reader),
            "loss": revive(config.get("loss") or None, "losses", reader),
            "metrics": revive(config.get("metrics"), "metrics", reader),
            "weighted_metrics": revive(config.get("weighted_metrics"), "metrics", reader),
            "loss_weights": config.get("loss_weights") or None,
            "sample_weight_mode": config.get("sample_weight_mode"),
        }


@contextmanager
def _hinting() -> Iterator[None]:
    try:
        yield
    except KgraphError as error:
        error.add_note("with compile=False the model loads without what its training needs")
        raise


def revive(item: Any, kind: str, reader: Reader) -> Any:
    """What an entry stands for: an object, a function, a name of ours, or several of them."""
    if isinstance(item, list | tuple):
        return [revive(inner, kind, reader) for inner in item]
    if isinstance(item, Mapping) and "class_name" not in item:
        return {key: revive(inner, kind, reader) for key, inner in item.items()}
    if isinstance(item, str):
        return _named(item, kind, reader)
    if not isinstance(item, Mapping):
        return item
    if is_code(item):
        return load_code(item, reader.safe_mode, kind)
    if item["class_name"] == "function" and isinstance(item.get("config"), str):
        is_custom(item, reader.custom_objects)  # which raises for a function that nobody gave
        return _named(item["config"], kind, reader)
    return _object(item, kind, reader)


def _named(name: str, kind: str, reader: Reader) -> Any:
    """A custom object of this name; else the name, when it is one of ours."""
    custom = get_registered_object(name, reader.custom_objects)
    if custom is not None:
        return custom
    if name not in KINDS[kind]() and not (kind == "metrics" and name.lower() in metrics.SHORTHANDS):
        DESERIALIZE[kind](name)  # which knows more spellings, and says what is unknown
    return name


def _object(item: Mapping[str, Any], kind: str, reader: Reader) -> Any:
    name, config = item["class_name"], item.get("config")
    if not isinstance(name, str) or not isinstance(config, Mapping):
        raise FileError(describe("a damaged training configuration", got=repr(item)[:200]))
    if name.startswith("Custom>") and get_registered_object(name, reader.custom_objects) is None:
        item = {**item, "class_name": name.removeprefix("Custom>")}  # how tf.keras from 2.11 on has its own
    if str(item.get("module")).endswith(".losses"):
        kind = "losses"
    read = reader.read_described(item, kind)
    if is_custom(item, reader.custom_objects):
        return DESERIALIZE[kind](read, reader.custom_objects)
    name, config = read["class_name"], dict(read["config"])
    form = TRAINING.get(name, Form())
    config = without_foreign(config, form, name)
    if reader.era in (1, 2):
        config = {**_before(name, form, config, reader), **config}
    if reader.genuine and config.get("clipnorm"):
        config["global_clipnorm"] = config.pop("clipnorm")  # then the norm was that of all gradients together
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    if kind == "losses":
        config.pop("fn", None)
    if "fn" in config:  # a MeanMetricWrapper
        config["fn"] = metrics.get(revive(config["fn"], kind, reader))
    return DESERIALIZE[kind]({"class_name": name, "config": config}, reader.custom_objects)


def _before(name: str, form: Form, config: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """What held for keys that did not exist. That tf.keras had its own word for one of Nadam is said here."""
    if name == "Nadam" and "schedule_decay" not in config and "decay" in config:
        return {"schedule_decay": config.pop("decay")}
    return dict(form.before) if reader.genuine else {}


def training_config(model: Any, writer: Writer) -> dict[str, Any] | None:
    """How a model was compiled, or None when it was not."""
    arguments = model._compile_arguments
    if arguments is None or model.optimizer is None:
        return None
    key = "optimizer_config" if writer.dialect == KERAS2 else "optimizer"
    config = {key: _optimizer(model.optimizer, writer)}
    for name in ARGUMENTS:
        kind = "losses" if name == "loss" else "metrics"
        config[name] = _written(arguments.get(name), kind, writer)
    if writer.dialect != KERAS2:
        del config["sample_weight_mode"]
    return config


def _written(value: Any, kind: str, writer: Writer) -> Any:
    if isinstance(value, list | tuple):
        return [_written(item, kind, writer) for item in value]
    if isinstance(value, Mapping) and "class_name" not in value:
        return {key: _written(item, kind, writer) for key, item in value.items()}
    if hasattr(value, "get_config") and not isinstance(value, type):
        kind = "losses" if isinstance(value, losses.Loss) else kind  # a loss may be reported as a metric
        described = {"class_name": get_registered_name(type(value)), "config": value.get_config()}
        return writer.write_described(described, kind)
    if isinstance(value, type):
        return _written(value(), kind, writer)
    if callable(value):
        name = get_registered_name(value)
        if KINDS[kind]().get(name) is value:
            return name
        return name if writer.dialect == KERAS2 and name != "<lambda>" else function_entry(value)
    if isinstance(value, str) and kind == "losses" and writer.dialect == KERAS2:
        # Keras 3 does not find the short names of losses in an HDF5 file.
        return getattr(KINDS[kind]().get(value), "__name__", value)
    return writer.write(value, kind)


def _optimizer(optimizer: Any, writer: Writer) -> dict[str, Any]:
    described = {"class_name": get_registered_name(type(optimizer)), "config": dict(optimizer.get_config())}
    config = described["config"]
    if writer.dialect != KERAS2 and config.get("decay"):
        if not isinstance(config["learning_rate"], int | float):
            raise ArgumentError(
                describe(
                    "Keras 3 has no decay beside a schedule",
                    expected="decay=0, or an HDF5 file",
                    got=config["decay"],
                )
            )
        # Keras 3 has no decay, but a schedule that computes the same.
        schedule = {
            "initial_learning_rate": config["learning_rate"],
            "decay_steps": 1,
            "decay_rate": config.pop("decay"),
        }
        config["learning_rate"] = {"class_name": "InverseTimeDecay", "config": schedule}
    return writer.write_described(described, "optimizers")
