"""What the house tests look at: the sources of kgraph, and who may import whom."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "kgraph"

LAYERS = (
    "__main__",
    "testing",
    "cli",
    "keras",
    "compiler",
    "plugins",
    "passes",
    "ops",
    "ir",
    "config",
    "lazy",
    "errors",
)
"""The rooms of kgraph from the roof to the ground: each may import itself and what stands right of it."""

THIRD_PARTY = {
    "numpy": ("kgraph",),
    "onnx": ("kgraph.plugins.onnx",),
    "onnxruntime": ("kgraph.plugins.onnx",),
    "google": ("kgraph.plugins.onnx",),  # protobuf, which onnx is made of
    "pluggy": ("kgraph.plugins",),
    "h5py": ("kgraph.keras.saving", "kgraph.keras.utils"),
    "yaml": ("kgraph.keras.saving",),
    "matplotlib": ("kgraph.keras.utils",),
    "PIL": ("kgraph.keras.preprocessing.image", "kgraph.keras.callbacks"),
    "scipy": ("kgraph.keras.preprocessing.image",),
    "tensorboard": ("kgraph.keras.callbacks",),
    "sklearn": ("kgraph.keras.wrappers",),
    "pytest": ("kgraph.testing",),
}
"""Every third-party module kgraph knows, and the packages that may import it."""

LAZY = frozenset(
    {"onnx", "onnxruntime", "google", "h5py", "yaml", "matplotlib", "PIL", "scipy", "sklearn", "tensorboard"}
)
"""Too heavy for `import kgraph`: these alone may be imported inside a function."""

ON_DEMAND = frozenset(
    {
        "importlib.metadata",
        "concurrent.futures",
        "hashlib",
        "kgraph.keras.preprocessing.image",
        "kgraph.keras.preprocessing.sequence",
        "kgraph.keras.preprocessing.text",
        "kgraph.keras.saving.api",
        "kgraph.keras.saving.outline",
        "kgraph.keras.utils.download",
        "multiprocessing",
    }
)
"""What few programs need: not loaded by `import kgraph` either."""


def python_files(*folders: Path) -> list[Path]:
    """The Python sources under the folders, in a stable order."""
    return sorted(path for folder in folders for path in folder.rglob("*.py") if not is_hidden(path))


def is_hidden(path: Path) -> bool:
    """Whether a folder on the way has a name with a dot: virtual environments and caches are not our sources."""
    return any(part.startswith(".") for part in path.relative_to(ROOT).parts)


def module_name(path: Path) -> str:
    """The dotted name of a source file: kgraph/ir/__init__.py -> kgraph.ir."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
