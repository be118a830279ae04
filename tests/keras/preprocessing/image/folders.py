"""A folder of images in two classes, some of them deeper, beside files of other kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kgraph.keras.preprocessing.image import save_img

FILES = ("a.png", "b.bmp", "e.png", "deep/c.PNG", "deep/d.jpg")
NAMES = [f"{label}/{name}" for label in ("cats", "dogs") for name in FILES]
"""In the order in which they are found: what lies deeper comes later."""


def make_images(folder: Path) -> np.ndarray:
    """Write them, each of one colour, and give these colours in the order of `NAMES`."""
    colours = np.random.default_rng(0).integers(0, 256, (len(NAMES), 3))
    for name, colour in zip(NAMES, colours, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_img(folder / name, np.broadcast_to(colour, (5, 6, 3)), scale=False, **_settings(name))
    (folder / "cats" / "notes.txt").write_text("no image")
    (folder / "list.csv").write_text("a,b")
    return colours


def _settings(name: str) -> dict[str, int]:
    return {"quality": 95} if name.endswith("jpg") else {}
