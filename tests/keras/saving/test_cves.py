"""The published ways to take over or exhaust a process by a model file of Keras: here each is one error, and no more.

A case is a configuration, in every kind of file that can hold it, or a file of its own. `watched` notices code that
runs, programs, modules, the network and other files; a canary is what the code in them would have written.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import marshal
import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from kgraph import keras
from kgraph.errors import KgraphError
from kgraph.keras import layers as L
from tests.house.layout import ROOT
from tests.keras.saving.fuzz.variants import zip_entries, zip_of
from tests.keras.saving.fuzz.watch import watched

CANARY = Path(tempfile.gettempdir()) / f"kgraph-canary-{os.getpid()}"


class Pickled:
    """Writes the canary when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (CANARY,)


PROGRAM = f"lambda x: __import__('pathlib').Path({str(CANARY)!r}).touch() or x"
CODE = base64.encodebytes(marshal.dumps(compile(PROGRAM, "model", "eval").co_consts[0])).decode()
LAMBDAS: dict[str, Any] = {
    "Keras 2": {"function": [CODE, None, None], "function_type": "lambda"},
    "Keras 2, a tuple": {"function": {"class_name": "__tuple__", "items": [CODE, None, None]}},
    "Keras 2, untyped": {"function": [CODE, None, None]},
    "Keras 3": {
        "function": {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}
    },
    "output shape": {"function": "relu", "output_shape": [CODE, None, None], "output_shape_type": "lambda"},
    "mask": {"function": "relu", "mask": {"class_name": "__lambda__", "config": {"value": CODE}}},
}


def function(module: str, name: str) -> dict[str, Any]:
    """How Keras 3 refers to a function of a module."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def layer(
    class_name: str, config: dict[str, Any], module: str = "keras.layers", **more: Any
) -> dict[str, Any]:
    """A layer as Keras 3 describes it."""
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": "bad", **config},
        "registered_name": None,
        "name": "bad",
        **more,
    }


UNSAFE = function("keras.config", "enable_unsafe_deserialization")
LAYERS: dict[str, dict[str, Any]] = {
    **{f"CVE-2024-3660 code in a Lambda, {name}": layer("Lambda", entry) for name, entry in LAMBDAS.items()},
    "CVE-2025-1550 a class of another module": layer("Popen", {"args": ["touch", str(CANARY)]}, "subprocess"),
    "CVE-2025-1550 a function as a class": layer("system", {"command": f"touch {CANARY}"}, "os"),
    "CVE-2025-1550 a function in a Lambda": layer("Lambda", {"function": function("os", "system")}),
    "CVE-2025-1550 a function as an activation": layer(
        "Dense", {"units": 2, "activation": function("os", "system")}
    ),
    "CVE-2025-1550 an object as an initializer": layer(
        "Dense",
        {
            "units": 2,
            "kernel_initializer": {"module": "os", "class_name": "system", "config": {"command": "true"}},
        },
    ),
    "CVE-2025-1550 a registered name": layer(
        "Popen", {"args": ["true"]}, "subprocess", registered_name="Popen"
    ),
    "CVE-2025-8747 a function of Keras": layer(
        "Lambda",
        {
            "function": function("keras.utils", "get_file"),
            "arguments": {
                "origin": "http://127.0.0.1:1/x",
                "cache_dir": str(CANARY.parent),
                "force_download": True,
            },
        },
    ),
    "CVE-2025-8747 a function of Keras as a class": layer(
        "get_file", {"origin": "http://127.0.0.1:1/x"}, "keras.utils"
    ),
    "CVE-2025-8747 the loader itself": layer(
        "Lambda", {"function": function("keras.models", "load_model"), "arguments": {"safe_mode": False}}
    ),
    "CVE-2025-9906 a switch in a Lambda": layer("Lambda", {"function": UNSAFE}),
    "CVE-2025-9906 a switch as a layer": layer("enable_unsafe_deserialization", {}, "keras.config"),
    "CVE-2025-9906 a setter as a layer": layer(
        "set_global_attribute", {"value": False}, "keras.src.backend.common.global_state"
    ),
    "CVE-2025-12058 a vocabulary in a file": layer("StringLookup", {"vocabulary": "/etc/passwd"}),
    "CVE-2025-12058 a vocabulary in the network": layer(
        "IntegerLookup", {"vocabulary": "http://127.0.0.1:1/x"}
    ),
    "CVE-2025-12058 a vocabulary of text": layer("TextVectorization", {"vocabulary": "/etc/passwd"}),
    "CVE-2025-49655 a pickled module": layer(
        "TorchModuleWrapper", {"module": base64.b64encode(pickle.dumps(Pickled())).decode()}
    ),
    "CVE-2026-1462 a model elsewhere": layer(
        "TFSMLayer", {"filepath": str(CANARY.parent), "call_endpoint": "serve"}
    ),
    "a class of ours that is no layer": layer("Path", {"args": [str(CANARY)]}, "pathlib"),
    "a registered name that leads elsewhere": layer("Dense", {"units": 2}, "os", registered_name="os>system"),
    "a dotted name": layer("os.system", {"command": "true"}),
    "a private name": layer("__import__", {"name": "os"}, "builtins"),
}


def model_with(bad: dict[str, Any]) -> dict[str, Any]:
    """A Sequential model of Keras 3 with one bad layer."""
    first = layer("InputLayer", {"batch_shape": [None, 3], "dtype": "float32", "name": "in"})
    config = {"name": "model", "trainable": True, "dtype": "float32", "layers": [first, bad]}
    return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}


def whole_model() -> Any:
    model = keras.Sequential([L.Dense(2, input_shape=(3,), name="d")])
    model.compile("sgd", "mse")
    return model


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Sound files, by kind."""
    folder = tmp_path_factory.mktemp("whole")
    for kind in ("h5", "keras"):
        whole_model().save(folder / f"m.{kind}")
        keras.models.load_model(folder / f"m.{kind}")  # what is imported late is imported now
    whole_model().save_weights(folder / "m.weights.h5")
    return {path.name.partition(".")[2]: path.read_bytes() for path in folder.iterdir()}


def as_h5(config: Any, wholes: dict[str, bytes], training: Any = None) -> bytes:
    image = io.BytesIO(wholes["h5"])
    with h5py.File(image, "r+") as file:
        file.attrs["model_config"] = json.dumps(config)
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
    return image.getvalue()


def as_keras(config: Any, wholes: dict[str, bytes]) -> bytes:
    return zip_of({**zip_entries(wholes["keras"]), "config.json": json.dumps(config).encode()})


FILES: dict[str, Callable[[Any, dict[str, bytes]], bytes]] = {"h5": as_h5, "keras": as_keras}


def refused(path: Path, load: Callable[[], Any]) -> str:
    """The one error that loading a file gives. Nothing has happened meanwhile."""
    before = sorted(path.parent.iterdir())
    with watched(path) as seen, pytest.raises(KgraphError) as caught:
        load()
    assert seen == []
    assert not CANARY.exists()
    assert sorted(path.parent.iterdir()) == before
    return str(caught.value)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_that_brings_code_or_names_it(
    case: str, kind: str, wholes: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / f"bad.{kind}"
    path.write_bytes(FILES[kind](model_with(LAYERS[case]), wholes))
    refused(path, lambda: keras.models.load_model(path))
    if "Lambda" not in LAYERS[case]["class_name"]:  # what is no code is refused to those who trust a file too
        refused(path, lambda: keras.models.load_model(path, safe_mode=False))


TEXTS = {
    "json": (json.dumps, keras.models.model_from_json),
    "yaml": (yaml.safe_dump, keras.models.model_from_yaml),
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("case", LAYERS)
def test_the_same_as_text(case: str, kind: str, tmp_path: Path) -> None:
    write, read = TEXTS[kind]
    read(write(model_with(layer("Dense", {"units": 2}))))  # what is imported late is imported now
    text = write(model_with(LAYERS[case]))
    refused(tmp_path / "none", lambda: read(text))


OBJECTS = {
    "a function called": f"!!python/object/apply:os.system ['touch {CANARY}']",
    "an object made": f"!!python/object/new:subprocess.Popen [['touch', '{CANARY}']]",
    "code": f'!!python/object/apply:builtins.exec [\'open("{CANARY}", "w")\']',
    "a name": "!!python/name:os.system",
    "a module": "!!python/module:antigravity",
    "a configuration": "class_name: Sequential\nconfig: !!python/object/apply:os.getcwd []",
    "a class": "class_name: !!python/name:os.system\nconfig: {}",
}


@pytest.mark.parametrize("text", OBJECTS.values(), ids=OBJECTS)
def test_cve_2021_37678_objects_in_yaml(text: str, tmp_path: Path) -> None:
    refused(tmp_path / "none", lambda: keras.models.model_from_yaml(text))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1]\n"
        + "".join(f"{c}: &{c} [{', '.join([f'*{b}'] * 20)}]\n" for b, c in pairwise("abcdefghij")),
        "&a [*a]",
        "class_name: Sequential\nconfig: &a {layers: [*a]}",
        "[" * 100_000,
        "- " * 50_000,
        "? " * 20_000,
        "{" * 100_000,
    ],
    ids=["a bomb of aliases", "a circle", "a circle in a model", "lists", "sequences", "keys", "maps"],
)
def test_yaml_that_never_ends(text: str, tmp_path: Path) -> None:
    refused(tmp_path / "none", lambda: keras.models.model_from_yaml(text))


@pytest.mark.parametrize("case", [case for case in LAYERS if "registered name that leads" not in case])
def test_cve_2026_12481_the_same_without_a_file(case: str, tmp_path: Path) -> None:
    config = LAYERS[case]
    for load in (
        lambda: keras.layers.deserialize(copy.deepcopy(config)),
        lambda: keras.Sequential.from_config(copy.deepcopy(model_with(config)["config"])),
    ):
        refused(tmp_path / "none", load)
    if config["class_name"] == "Lambda":
        refused(tmp_path / "none", lambda: L.Lambda.from_config(copy.deepcopy(config["config"])))


TRAININGS: dict[str, dict[str, Any]] = {
    "an optimizer of another module": {
        "optimizer": {"module": "os", "class_name": "system", "config": {"command": "true"}},
        "loss": "mse",
    },
    "a function of another module": {"optimizer": "sgd", "loss": function("os", "system")},
    "code": {"optimizer": "sgd", "loss": {"class_name": "__lambda__", "config": {"value": CODE}}},
    "a metric": {"optimizer": "sgd", "loss": "mse", "metrics": [function("builtins", "exec")]},
    "a dotted name": {"optimizer": "sgd", "loss": "os.system"},
    "a private name": {"optimizer": "sgd", "loss": "__import__"},
}


@pytest.mark.parametrize("training", TRAININGS.values(), ids=TRAININGS)
@pytest.mark.parametrize("kind", FILES)
def test_training_that_brings_code_or_names_it(
    training: dict[str, Any], kind: str, wholes: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / f"bad.{kind}"
    if kind == "keras":
        config = json.loads(zip_entries(wholes["keras"])["config.json"])
        path.write_bytes(as_keras({**config, "compile_config": training}, wholes))
    else:
        with h5py.File(io.BytesIO(wholes["h5"])) as file:
            config = json.loads(file.attrs["model_config"])
        training = {"optimizer_config": {"class_name": "SGD", "config": {}}, **training}
        if isinstance(training.pop("optimizer"), dict):
            training["optimizer_config"] = {"class_name": "system", "config": {}, "module": "os"}
        path.write_bytes(as_h5(config, wholes, training))
    refused(path, lambda: keras.models.load_model(path))
    keras.models.load_model(path, compile=False)


# -- weights that lead elsewhere, or are none


def weights_elsewhere(file: Any) -> None:
    """CVE-2026-1669."""
    name = first_dataset(file)
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, shape, "float32", external=[("/etc/passwd", 0, 4 * int(np.prod(shape)))])


def weights_linked(file: Any) -> None:
    """CVE-2026-1669."""
    name = first_dataset(file)
    del file[name]
    file[name] = h5py.ExternalLink("/etc/passwd", "/x")


def weights_declared(file: Any) -> None:
    """CVE-2026-0897."""
    name = first_dataset(file)
    del file[name]
    file.create_dataset(name, (10**7, 10**7), "float32", chunks=(10**3, 10**3), compression="gzip")


def weights_of_zeros(file: Any) -> None:
    """CVE-2026-0897."""
    name = first_dataset(file)
    del file[name]
    file.create_dataset(name, data=np.zeros(3 * 10**8, "u1"), chunks=(10**7,), compression="gzip")


def weights_of_objects(file: Any) -> None:
    name = first_dataset(file)
    del file[name]
    file.create_dataset(name, data=["text"] * 6, dtype=h5py.string_dtype())


def first_dataset(file: Any) -> str:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names[0]


@pytest.mark.parametrize(
    "change", [weights_elsewhere, weights_linked, weights_declared, weights_of_zeros, weights_of_objects]
)
@pytest.mark.parametrize("kind", ["h5", "keras", "weights.h5"])
def test_weights_that_lead_elsewhere_or_are_none(
    change: Callable[[Any], None], kind: str, wholes: dict[str, bytes], tmp_path: Path
) -> None:
    entries = zip_entries(wholes["keras"])
    image = io.BytesIO(entries["model.weights.h5"] if kind == "keras" else wholes[kind])
    with h5py.File(image, "r+") as file:
        change(file)
    path = tmp_path / f"bad.{kind}"
    path.write_bytes(
        zip_of({**entries, "model.weights.h5": image.getvalue()}) if kind == "keras" else image.getvalue()
    )
    model = whole_model()
    if kind == "weights.h5":
        refused(path, lambda: model.load_weights(path))
    else:
        refused(path, lambda: keras.models.load_model(path))
        refused(path, lambda: model.load_weights(path))


# -- archives


def bomb(name: str, size: int) -> Callable[[dict[str, bytes]], bytes]:
    def make(entries: dict[str, bytes]) -> bytes:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for other, data in entries.items():
                archive.writestr(other, bytes(size) if other == name else data)
        return made.getvalue()

    return make


def with_names(*names: str) -> Callable[[dict[str, bytes]], bytes]:
    return lambda entries: zip_of({**entries, **dict.fromkeys(names, b"x")})


ARCHIVES: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "a configuration that unpacks to a gigabyte": bomb("config.json", 10**9),
    "weights that unpack to a gigabyte": bomb("model.weights.h5", 10**9),
    "a name that leads out": with_names("../evil"),
    "an absolute name": with_names("/evil"),
    "no configuration": lambda entries: zip_of({k: v for k, v in entries.items() if k != "config.json"}),
    "no weights": lambda entries: zip_of({k: v for k, v in entries.items() if k != "model.weights.h5"}),
    "a configuration that is a list": lambda entries: zip_of({**entries, "config.json": b"[]"}),
    "nesting": lambda entries: zip_of({**entries, "config.json": b"[" * 10**6}),
    "an integer of a million digits": lambda entries: zip_of({**entries, "config.json": b"1" * 10**6}),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives_that_are_bombs_or_lead_out(case: str, wholes: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "bad.keras"
    path.write_bytes(ARCHIVES[case](zip_entries(wholes["keras"])))
    refused(path, lambda: keras.models.load_model(path))


MEASURED = """
import resource, sys
from kgraph import keras
keras.models.load_model(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    keras.models.load_model(sys.argv[1])
    print("loaded")
except ValueError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("case", ["a configuration", "weights", "a declared shape", "zeros", "a layer"])
def test_memory_is_in_proportion_to_the_file(case: str, wholes: dict[str, bytes], tmp_path: Path) -> None:
    entries, path, whole = zip_entries(wholes["keras"]), tmp_path / "bad.keras", tmp_path / "whole.keras"
    if case in ("a configuration", "weights"):
        data = bomb("config.json" if case == "a configuration" else "model.weights.h5", 10**9)(entries)
    elif case == "a layer":
        data = as_keras(model_with(layer("Dense", {"units": 10**10})), wholes)
    else:
        image = io.BytesIO(entries["model.weights.h5"])
        with h5py.File(image, "r+") as file:
            (weights_declared if case == "a declared shape" else weights_of_zeros)(file)
        data = zip_of({**entries, "model.weights.h5": image.getvalue()})
    path.write_bytes(data)
    whole.write_bytes(wholes["keras"])
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), str(whole)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert int(done.stdout) < 100 * 1024, "KiB more than a sound file of this size takes"
