"""Images read and written, as objects of Pillow and as arrays."""

from __future__ import annotations

import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kgraph.errors import ArgumentError, ArgumentTypeError, FileError, LibraryError
from kgraph.keras import backend, utils
from kgraph.keras.preprocessing.image import array_to_img, img_to_array, load_img, save_img
from tests.oracle import keras, needs_keras

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 14, 4), dtype=np.uint8)
COLOURS = Image.fromarray(PIXELS)
DEEP = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 200)

FILES: dict[str, tuple[Image.Image, str]] = {
    "1": (COLOURS.convert("1"), "png"),
    "L": (COLOURS.convert("L"), "png"),
    "LA": (COLOURS.convert("LA"), "png"),
    "P": (COLOURS.convert("RGB").convert("P"), "png"),
    "RGB": (COLOURS.convert("RGB"), "bmp"),
    "RGBA": (COLOURS, "png"),
    "I;16": (DEEP, "png"),
    "I": (DEEP.convert("I"), "tiff"),
    "F": (COLOURS.convert("F"), "tiff"),
    "CMYK": (COLOURS.convert("CMYK"), "jpeg"),
    "YCbCr": (COLOURS.convert("YCbCr"), "jpeg"),
}


def content(image: Image.Image, form: str) -> bytes:
    written = BytesIO()
    image.save(written, form)
    return written.getvalue()


@needs_keras
@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
@pytest.mark.parametrize("mode", FILES)
def test_images_of_all_modes_are_those_of_keras(mode: str, color_mode: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(content(*FILES[mode]))
    ours, theirs = (module.load_img(path, color_mode) for module in (utils, keras().utils))
    assert ours.mode == theirs.mode
    np.testing.assert_array_equal(img_to_array(ours), keras().utils.img_to_array(theirs))


@needs_keras
@pytest.mark.parametrize("keep_aspect_ratio", [False, True])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"])
@pytest.mark.parametrize("size", [(5, 6), (20, 7), [9, 14]])
def test_sizes_are_those_of_keras(size: Any, interpolation: str, keep_aspect_ratio: bool) -> None:
    whole = content(*FILES["RGBA"])
    settings = {
        "target_size": size,
        "interpolation": interpolation,
        "keep_aspect_ratio": keep_aspect_ratio,
    }
    ours, theirs = (module.load_img(BytesIO(whole), "rgba", **settings) for module in (utils, keras().utils))
    assert ours.size == tuple(size)[::-1]
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_older_spellings_of_grey_still_work(tmp_path: Path) -> None:
    path = str(tmp_path / "a.png")
    COLOURS.save(path)
    for call in (lambda: load_img(path, True), lambda: load_img(path, grayscale=True)):
        with pytest.warns(DeprecationWarning, match="color_mode='grayscale'"):
            assert call().mode == "L"
    with pytest.warns(DeprecationWarning, match="color_mode='rgb'"):
        assert load_img(path, False).mode == "RGB"


@needs_keras
@pytest.mark.parametrize("data_format", [None, "channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", [None, "uint8", "float64"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_arrays_are_those_of_keras(mode: str, dtype: Any, data_format: Any) -> None:
    image = FILES[mode][0]
    ours = img_to_array(image, data_format, dtype)
    theirs = keras().utils.img_to_array(image, data_format, dtype)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@needs_keras
@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("shape", [(5, 4, 1), (5, 4, 3), (3, 4, 3), (5, 6, 4)])
@pytest.mark.parametrize("factor", [0.9, 255.0, 1000.0])
def test_images_from_arrays_are_those_of_keras(shape: Any, scale: bool, factor: float) -> None:
    x = np.random.default_rng(1).uniform(-factor / 3 if scale else 0, factor, shape)
    if not scale and factor > 255 and shape[2] > 1:
        x = np.minimum(x, 255)  # beyond, values of Keras wrap around
    ours, theirs = array_to_img(x, scale=scale), keras().utils.array_to_img(x, scale=scale)
    assert ours.mode == theirs.mode
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    first = array_to_img(x.transpose(2, 0, 1), "channels_first", scale)
    np.testing.assert_array_equal(np.asarray(first), np.asarray(ours))


def test_values_beyond_a_pixel_become_the_nearest() -> None:
    image = array_to_img(np.array([[[-5.0, 300.7, 7.9]]]), scale=False)
    assert np.asarray(image).tolist() == [[[0, 255, 7]]]
    assert np.asarray(array_to_img(np.zeros((1, 2, 1)))).tolist() == [[0, 0]]


def test_the_defaults_are_those_of_the_backend() -> None:
    backend.set_image_data_format("channels_first")
    backend.set_floatx("float16")
    try:
        array = img_to_array(COLOURS)
        assert array.shape == (4, 9, 14)
        assert array.dtype == np.float16
        np.testing.assert_array_equal(np.asarray(array_to_img(array, scale=False)), PIXELS)
    finally:
        backend.set_image_data_format("channels_last")
        backend.set_floatx("float32")


@pytest.mark.parametrize(
    "x", [np.zeros((3, 3)), np.zeros((3, 3, 2)), np.zeros((0, 3, 3)), np.full((2, 2, 1), np.nan)]
)
def test_arrays_that_are_no_images_are_refused(x: Any) -> None:
    with pytest.raises(ArgumentError, match="array_to_img"):
        array_to_img(x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: img_to_array(np.zeros(3)), "shape"),
        (lambda: img_to_array(COLOURS, "channels"), "data_format"),
        (lambda: array_to_img(PIXELS, "th"), "data_format"),
        (lambda: load_img("a.png", "bgr"), "color_mode"),
        (lambda: load_img("a.png", None), "color_mode"),
        (lambda: load_img("a.png", interpolation="linear"), "interpolation"),
        (lambda: load_img("a.png", target_size=5), "target_size"),
        (lambda: load_img("a.png", target_size=(5, 0)), "target_size"),
        (lambda: load_img("a.png", target_size=(5, 5, 3)), "target_size"),
        (lambda: save_img("a.image", PIXELS), r"\.png"),
        (lambda: save_img("a", PIXELS), r"\.png"),
        (lambda: save_img(BytesIO(), PIXELS), "file_format"),
        (lambda: save_img("a.png", PIXELS, file_format="nothing"), "nothing"),
        (lambda: save_img("a.jpg", np.full((3, 3, 1), 999.0), scale=False), "JPEG"),
        (lambda: save_img("a.jpg", PIXELS[..., :3], quality="much"), "JPEG"),
    ],
)
def test_arguments_that_make_no_sense_are_named(
    call: Any, message: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=message):
        call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.PNG", Path("a.ppm")])
def test_what_is_saved_is_there(name: Any, tmp_path: Path) -> None:
    save_img(tmp_path / name, PIXELS[..., :3], scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(tmp_path / name)), PIXELS[..., :3])
    stream = BytesIO()
    save_img(stream, PIXELS[..., :3], file_format="png", scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(BytesIO(stream.getvalue()))), PIXELS[..., :3])


def test_jpeg_has_no_transparency(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="transparency"):
        save_img(tmp_path / "a.jpg", PIXELS, quality=90)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.mode == "RGB"


def test_a_save_that_fails_leaves_the_old_image(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    with pytest.raises(ArgumentError):
        save_img(path, PIXELS[..., :3], quality="much")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("form", ["png", "jpeg", "bmp", "tiff", "gif", "ppm", "webp"])
def test_a_damaged_image_is_one_clear_error_or_still_an_image(form: str, tmp_path: Path) -> None:
    whole = content(COLOURS.convert("RGB"), form)
    random = np.random.default_rng(2)
    cut = [whole[:length] for length in random.integers(0, len(whole), 40)]
    changed = []
    for _ in range(80):
        array = np.frombuffer(whole, np.uint8).copy()
        array[random.integers(0, len(array), 3)] = random.integers(0, 256, 3)
        changed.append(array.tobytes())
    path, errors = tmp_path / f"a.{form}", []
    for damaged in (*cut, *changed):
        path.write_bytes(damaged)
        try:
            assert load_img(path, target_size=(4, 4)).size == (4, 4)
        except FileError as error:
            errors.append(str(error))
    assert len(errors) >= 20
    assert all(str(path) in error for error in errors)


@pytest.mark.parametrize("damaged", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"<svg/>"])
def test_what_is_no_image_is_named(damaged: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(damaged)
    with pytest.raises(FileError, match=r"a\.png"):
        load_img(path)


def test_an_image_that_would_fill_the_memory_is_refused() -> None:
    head = struct.pack(">IIBBBBB", 2**17, 2**17, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"")))
    parts = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks]
    with pytest.raises(FileError, match="DecompressionBomb"):
        load_img(BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(parts)))


def test_paths_that_are_none_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArgumentTypeError, match="NoneType"):
        load_img(None)
    with pytest.raises(FileNotFoundError):
        load_img(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        load_img(tmp_path)
    with pytest.raises(FileNotFoundError):
        save_img(tmp_path / "none" / "a.png", PIXELS)


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    for call in (lambda: load_img("a.png"), lambda: array_to_img(PIXELS), lambda: save_img("a.png", PIXELS)):
        with pytest.raises(LibraryError, match=r"kgraph\[image\]") as caught:
            call()
        assert isinstance(caught.value, ImportError)
