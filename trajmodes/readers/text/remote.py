"""Objects that a URL names (s3://, gcs://, https://, …): read in ranges, never whole.

The library fsspec reads them. It finds credentials in the environment and in the configuration
files of each store. An object is read in pieces of some megabytes, which are kept while there
is room and shared by all threads.
"""

import hashlib
import os
import pathlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from trajmodes.config.job import URL
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.text.kept import kept_bytes

_PIECE = 1 << 22
_MARKS = (
    *("ETag", "etag", "md5Hash", "Content-MD5", "generation", "version_id", "VersionId"),
    *("Last-Modified", "LastModified", "last_modified", "updated", "mtime", "created"),
)
"""Names under which stores give what changes with the content of an object."""
_PACKAGES = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
_LOCAL_FIX = "copy it to this computer, or write the run as a LAMMPS dump, XYZ or .zarr there"

if TYPE_CHECKING:
    _PathOfSystem = pathlib.Path
else:
    _PathOfSystem = type(pathlib.Path())


class RemotePath(_PathOfSystem):
    """Path of an object that a URL names."""

    def __str__(self) -> str:
        """URL; a path keeps one of its slashes."""
        scheme, _, rest = super().__str__().replace(os.sep, "/").partition(":/")
        return f"{scheme}://{rest}"

    def absolute(self) -> "RemotePath":
        """Return the path itself."""
        return self

    def resolve(self, strict: bool = False) -> "RemotePath":  # noqa: ARG002, FBT001, FBT002 - of the base class
        """Return the path itself."""
        return self

    def exists(self, **_: Any) -> bool:
        """Return False: no files are searched for beside an object."""
        return False

    is_file = is_dir = exists

    def open(self, *_: Any, **__: Any) -> NoReturn:
        """Raise UsageError: libraries can open only files of this computer."""
        raise UsageError(
            "files of this format are read from this computer only",
            where=str(self),
            why="the library that reads them cannot read parts of an object",
            fix=_LOCAL_FIX,
        )


def named_path(name: str | os.PathLike[str]) -> pathlib.Path:
    """Path of a file or URL."""
    return RemotePath(name) if URL.match(os.fspath(name)) else pathlib.Path(name)


def require_local(path: pathlib.Path) -> pathlib.Path:
    """Return the path of a file of this computer; UsageError for an object."""
    if isinstance(path, RemotePath):
        path.open(encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """The bytes of an object."""

    url: str
    size: int
    mark: str
    """What changes with its content."""

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Return the file system, and the name of the object in it."""
        yield _file_system(self.url)

    def read(self, opened: Any, view: memoryview, offset: int) -> int:
        """Read into a buffer, up to the end of a piece.

        Raises
        ------
        DataError
            If the object cannot be read, or the server does not support ranges.
        """
        if offset >= self.size:
            return 0
        k = offset // _PIECE
        size = min(_PIECE, self.size - k * _PIECE)
        data = kept_bytes((self, k), size, partial(self._piece, opened, k * _PIECE, size))
        part = memoryview(data)[offset - k * _PIECE :][: len(view)]
        view[: len(part)] = part
        return len(part)

    def _piece(self, opened: Any, start: int, size: int) -> bytes:
        system, name = opened
        with _reading(self.url):
            data: bytes = system.cat_file(name, start=start, end=start + size)
        if len(data) != size:
            raise DataError(
                f"{size} bytes from byte {start} on are requested, and {len(data)} received",
                where=self.url,
                why="the server gives no parts of a file, or the object has changed",
                fix="copy the file to this computer",
            )
        return data


def remote_object(path: RemotePath) -> RemoteObject:
    """Look up the size of an object, and a text that changes with its content.

    A folder of zarr counts as one object.

    Raises
    ------
    UsageError
        If there is no such object, or a package is missing.
    DataError
        If the server does not answer, or does not give the size.
    """
    system, name = _file_system(str(path))
    # A listing may be older than the object.
    system.invalidate_cache(name)
    with _reading(str(path)):
        about = system.info(name)
        if about.get("type") == "directory" and path.suffix == ".zarr":
            return _whole_folder(path, system.find(name, detail=True))
    if about.get("type") == "directory":
        raise UsageError(f"{path} is a folder, not a trajectory file")
    size = about.get("size")
    if size is None:
        raise DataError("the server does not give the size of the file", where=str(path))
    return RemoteObject(str(path), size, _mark(about))


def _whole_folder(path: RemotePath, found: Mapping[str, Mapping[str, Any]]) -> RemoteObject:
    """Size of all objects of a folder, and what changes with their content."""
    digest = hashlib.sha256()
    for name, about in sorted(found.items()):
        digest.update(f"{name} {_mark(about)}".encode())
    size = sum(about["size"] for about in found.values())
    return RemoteObject(str(path), size, digest.hexdigest())


def _mark(about: Mapping[str, Any]) -> str:
    return str({key: str(about[key]) for key in _MARKS if key in about})


def require_objects(path: RemotePath) -> None:
    """Raise UsageError if a store has no objects below a URL, or its package is missing."""
    system, name = _file_system(str(path))
    with _reading(str(path)):
        system.info(name)


def matching_objects(pattern: str) -> list[pathlib.Path]:
    """List objects by a pattern with ``*``, in the order of their names."""
    system, name = _file_system(pattern)
    with _reading(pattern):
        found = sorted(system.glob(name))
    return [RemotePath(system.unstrip_protocol(one)) for one in found]


def _credentials_fix(url: str) -> str:
    fix = "give credentials as the programs of the store do"
    if url.startswith("s3:"):
        fix += ", or set FSSPEC_S3_ANON=true for a public object"
    return fix


def _file_system(url: str) -> tuple[Any, str]:
    """File system of a URL, and the name in it; fsspec makes one for each server."""
    from fsspec.core import url_to_fs  # noqa: PLC0415 - loads slowly

    scheme = url.partition(":")[0]
    try:
        system, name = url_to_fs(url)
    except ImportError as error:
        raise UsageError(
            f"objects of {scheme}:// need a package that is not installed",
            where=url,
            fix=f"pip install {_PACKAGES.get(scheme, str(error))}",
        ) from None
    except ValueError as error:
        raise UsageError(f"the URL cannot be read: {error}", where=url) from None
    return system, name


@contextmanager
def _reading(url: str) -> Iterator[None]:
    """Turn errors of a server into an error that names the object."""
    try:
        yield
    except FileNotFoundError as error:
        raise UsageError(f"{url} is not there, or its server does not answer") from error
    except PermissionError as error:
        raise UsageError(f"you may not read {url}", fix=_credentials_fix(url)) from error
    except Exception as error:
        if "Credentials" in type(error).__name__:
            raise UsageError(
                f"no credentials are found: {error}", where=url, fix=_credentials_fix(url)
            ) from error
        raise DataError(
            f"the object cannot be read: {type(error).__name__}: {error}",
            where=url,
            why="the server or the network does not answer, or the credentials are wrong",
            fix="try it with the program of the store, then repeat the command",
        ) from error
