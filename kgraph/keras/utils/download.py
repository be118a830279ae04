"""`get_file`: files from the network, kept in a cache and checked against their hash."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import urllib.error
import urllib.parse
from pathlib import Path
from typing import Any

from kgraph.errors import ArgumentError, DownloadError, FileError, describe
from kgraph.keras.settings import keras_home, temporary_home
from kgraph.keras.utils.archives import archive_kind, unpack
from kgraph.keras.utils.progbar import Progbar
from kgraph.keras.utils.warn import warn_user

SCHEMES = ("http", "https", "ftp", "file")
HASH_LENGTHS = {"md5": 32, "sha256": 64}
ARCHIVE_KINDS = ("tar", "zip")
SILENCE = 60.0
"""Seconds without a byte after which a server is given up."""
BLOCK = 1 << 16


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str | os.PathLike[str] = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | list[str] | tuple[str, ...] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """The path of a file from `origin`, which is downloaded unless the cache has it.

    fname           its name in the cache; by default the last part of the URL
    origin          an http, https, ftp or file URL
    file_hash       its sha256 or md5 sum in hexadecimal digits; a cached file with another one is downloaded again
    cache_subdir    folder within the cache, or an absolute path
    hash_algorithm  "sha256", "md5", or "auto" to tell them by their length
    extract         unpack an archive; the path is then that of the folder it was unpacked to
    archive_format  "tar" (also compressed), "zip", a list of these, "auto" for both, None for neither
    cache_dir       Keras's folder by default: KERAS_HOME, or `~/.keras`
    force_download  even if the cache has it

    `untar` and `md5_hash` are older spellings of `extract` and `file_hash`. Names are as in Keras 3: an archive of
    the name `a.tar.gz` is unpacked to `a_extracted`, one of the name `a` to `a`.

    A file appears in the cache when it is complete and its hash is right, so a download that is cut short leaves
    nothing behind and is simply started again. Archives are unpacked as `utils.archives` says, once: the folder is
    made anew only after a new download.

    Raises `ArgumentError` for arguments that make no sense, `DownloadError` (an `OSError`) when the file can't be
    had, and `FileError` (a `ValueError`) when its hash is wrong or the archive is damaged or hostile.
    """
    if md5_hash is not None:
        warn_user("md5_hash is now file_hash", DeprecationWarning)
        if file_hash is None:
            file_hash, hash_algorithm = md5_hash, "md5"
    if untar:
        warn_user("untar is now extract", DeprecationWarning)
        extract, archive_format = True, "tar"
    url = _checked_origin(origin)
    kinds = _archive_kinds(archive_format)
    algorithm = _algorithm(hash_algorithm, file_hash)
    target, folder = _places(_cache(cache_dir, cache_subdir), fname, url, extract)
    fresh = force_download or not _is_cached(target, algorithm, file_hash)
    if fresh:
        download(url, target, algorithm, file_hash)
    if folder is None:
        return str(target)
    if fresh or not folder.is_dir():
        _unpack_anew(target, folder, kinds)
    return str(folder)


def download(url: str, target: Path, algorithm: str = "sha256", file_hash: str | None = None) -> None:
    """Bring a file to a path, which it takes when it is complete and its hash is right. Shows a progress bar.

    Raises `DownloadError` when the server can't be reached, refuses, falls silent or stops too early, and `FileError`
    when the hash is another one. What was at the path stays there then.
    """
    from http.client import (
        HTTPException,  # these two bring ssl and email with them: too heavy for `import kgraph`
    )
    from urllib.request import urlopen

    print(f"Downloading data from {url}", flush=True)
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=target.parent) as temporary:
        whole = Path(temporary) / target.name
        try:
            with urlopen(url, timeout=SILENCE) as source, whole.open("xb") as copy:
                _copy(source, copy, digest, url)
        except urllib.error.HTTPError as error:
            error.close()
            raise _failure(url, f"{error.code} {error.reason}") from None
        except urllib.error.URLError as error:
            raise _failure(url, error.reason) from None
        except (HTTPException, TimeoutError, ConnectionError) as error:
            raise _failure(url, f"{type(error).__name__} {error}") from None
        if file_hash is not None and digest.hexdigest() != file_hash.lower():
            raise FileError(
                describe(
                    "the file that was downloaded is another one, or damaged",
                    expected=f"{algorithm} {file_hash.lower()}",
                    got=digest.hexdigest(),
                    where=url,
                )
            )
        whole.replace(target)


def validate_file(
    fpath: str | os.PathLike[str], file_hash: str, algorithm: str = "auto", chunk_size: int = BLOCK
) -> bool:
    """Whether a file has that sha256 or md5 sum. Raises ArgumentError for what is no such sum.

    `chunk_size` is taken for the sake of older programs.
    """
    return _digest(Path(fpath), _algorithm(algorithm, file_hash)) == file_hash.lower()


def _copy(source: Any, copy: Any, digest: Any, url: str) -> None:
    declared = source.headers.get("Content-Length", "")
    size = int(declared) if declared.isdecimal() else None
    bar, done = Progbar(size, unit_name="byte"), 0
    while block := source.read(BLOCK):
        copy.write(block)
        digest.update(block)
        done += len(block)
        bar.update(done)
    if size is None:
        bar.update(done, finalize=True)
    elif done != size:
        raise _failure(url, f"{done} of {size} bytes")


def _failure(url: str, reason: object) -> DownloadError:
    return DownloadError(describe("the download failed", got=reason, where=url))


def _checked_origin(origin: str | None) -> str:
    scheme = urllib.parse.urlsplit(origin or "").scheme
    if origin is None or scheme not in SCHEMES:
        expected = f"a URL with {', '.join(SCHEMES)}"
        raise ArgumentError(describe("bad origin", expected=expected, got=repr(origin), where="get_file"))
    return origin


def _archive_kinds(archive_format: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    if archive_format is None or archive_format == "auto":
        return ARCHIVE_KINDS if archive_format else ()
    kinds = (archive_format,) if isinstance(archive_format, str) else tuple(archive_format)
    if unknown := [kind for kind in kinds if kind not in ARCHIVE_KINDS]:
        expected = f"'auto', None or some of {ARCHIVE_KINDS}"
        raise ArgumentError(describe("bad archive_format", expected=expected, got=repr(unknown[0])))
    return kinds


def _algorithm(named: str, file_hash: str | None) -> str:
    """The name of the hash; "auto" tells by the length. Raises `ArgumentError` for what is no such hash."""
    if named not in ("auto", *HASH_LENGTHS):
        expected = f"'auto' or one of {tuple(HASH_LENGTHS)}"
        raise ArgumentError(describe("bad hash_algorithm", expected=expected, got=repr(named)))
    if file_hash is None:
        return "sha256"
    algorithms = HASH_LENGTHS if named == "auto" else {named: HASH_LENGTHS[named]}
    if re.fullmatch(r"[0-9a-fA-F]*", file_hash):
        for algorithm, length in algorithms.items():
            if len(file_hash) == length:
                return algorithm
    expected = " or ".join(f"{length} hexadecimal digits" for length in algorithms.values())
    raise ArgumentError(describe("bad file_hash", expected=expected, got=repr(file_hash)))


def _cache(cache_dir: str | os.PathLike[str] | None, cache_subdir: str | os.PathLike[str]) -> Path:
    """The folder in the cache, which is made if need be; where temporary files are if it can't be written to."""
    base = keras_home() if cache_dir is None else Path(os.path.expanduser(cache_dir))
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        base = temporary_home()
    folder = (base if os.access(base, os.W_OK) else temporary_home()) / cache_subdir
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _places(
    cache: Path, fname: str | os.PathLike[str] | None, url: str, extract: bool
) -> tuple[Path, Path | None]:
    """The path of the file, and of the folder it is unpacked to."""
    name = os.fspath(fname) if fname else urllib.parse.urlsplit(url).path.rpartition("/")[2]
    if name in ("", ".", "..") or re.search(r"[/\\\0]", name):
        raise ArgumentError(
            describe("bad fname", expected="the name of a file, without folders", got=repr(name))
        )
    if not extract:
        return cache / name, None
    if fname and "." in name:
        return cache / name, cache / f"{name.partition('.')[0]}_extracted"
    return cache / f"{name}_archive", cache / name


def _is_cached(target: Path, algorithm: str, file_hash: str | None) -> bool:
    if not target.exists():
        return False
    if file_hash is None or _digest(target, algorithm) == file_hash.lower():
        return True
    print(f"The hash of {target} is not the one that was asked for: it is incomplete or out of date.")
    return False


def _digest(file: Path, algorithm: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _unpack_anew(file: Path, folder: Path, kinds: tuple[str, ...]) -> None:
    kind = archive_kind(file, kinds)
    if kind is None:
        expected = " or ".join(kinds) or "an archive_format"
        raise FileError(
            describe(
                "the file is not unpacked", expected=expected, got="another kind of file", where=str(file)
            )
        )
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as temporary:
        fresh = Path(temporary) / folder.name
        unpack(file, fresh, kind)
        if not folder.exists():
            fresh.replace(folder)
            return
        # What else is in the folder may be the user's: only files of the same names are replaced.
        for path in sorted(fresh.rglob("*")):
            place = folder / path.relative_to(fresh)
            if path.is_dir():
                place.mkdir(exist_ok=True)
            else:
                path.replace(place)
