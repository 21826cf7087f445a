"""Where a store lies: a folder, or a URL that fsspec knows, and a group inside it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import FsspecStore, LocalStore

from knuckle.errors import StoreError
from knuckle.files import naming
from knuckle.lock import only_writer

_PARTIAL = "*.partial"  # what Zarr calls a file that it has not finished; it then takes its own name in one step


class Place:
    """A folder or URL, split into the Zarr hierarchy (the first part that ends in ".zarr") and a group inside it.

    `hands.zarr/source` is the group "source" of the hierarchy `hands.zarr`; `s3://bucket/hands.zarr` its root group.
    Without a part in ".zarr" the whole is one root group.
    """

    def __init__(self, url: str | Path) -> None:
        url = str(url).rstrip("/")
        local = url.removeprefix("file://")
        self.is_local = "://" not in local  # file:// too: Zarr writes local files in one step, fsspec does not
        self.is_memory = url.startswith("memory://")
        self.url = str(Path(local).absolute()) if self.is_local else url  # the same for a worker in another folder
        root, dot, inside = self.url.replace("\\", "/").partition(".zarr/")
        self._root, self._inside = root + dot.rstrip("/"), inside

    def is_free(self) -> bool:
        """Nothing is there, or an empty folder. Raises `StoreError` if it cannot be reached."""
        if self.is_local:
            folder = Path(self.url)
            leftovers = set(folder.glob(_PARTIAL)) if folder.is_dir() else set()
            return not folder.exists() or (folder.is_dir() and set(folder.iterdir()) == leftovers)
        with self.named():
            try:
                self._group("r")
            except FileNotFoundError:
                return True
        return False

    def open(self, writable: bool = False) -> zarr.Group:
        """The group. Raises `StoreError` if there is none, or what is there cannot be read."""
        with self.named():
            return self._group("r+" if writable else "r")

    def create(self, attributes: dict[str, Any]) -> zarr.Group:
        """A new group that has these attributes from the first moment on. Raises `StoreError` if it cannot be made."""
        with self.named(), naming(self.url, StoreError):
            store = self._store(read_only=False)
            return zarr.create_group(store, path=self._inside, attributes=attributes, zarr_format=3)

    def lock(self) -> AbstractContextManager[None]:
        """No other process fills this group meanwhile; `StoreError` if one does. An object store has no locks."""
        if not self.is_local:
            return nullcontext()
        root = Path(self._root)  # beside the hierarchy: inside, Zarr would take the lock for a node of it
        return only_writer(root.with_name("-".join([root.name, *self._inside.split("/")]).rstrip("-")), StoreError)

    def erase(self, key: str) -> None:
        """Removes one object of the group if it lies in a local folder, where losing power may have torn it."""
        if self.is_local:
            (Path(self.url) / key).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Removes what killed writers left behind in a local folder. Only for when nobody writes any more."""
        if self.is_local:
            for path in Path(self.url).rglob(_PARTIAL):
                path.unlink(missing_ok=True)

    def _group(self, mode: Any) -> zarr.Group:
        return zarr.open_group(self._store(mode == "r"), path=self._inside, mode=mode, zarr_format=3)

    def _store(self, read_only: bool) -> LocalStore | FsspecStore:
        if self.is_local:
            return LocalStore(self._root, read_only=read_only)
        return FsspecStore.from_url(self._root, read_only=read_only)

    @contextmanager
    def named(self, file: str = "") -> Iterator[None]:
        """Whatever goes wrong inside becomes a `StoreError` that names the place, or a file in it."""
        try:
            yield
        except StoreError:
            raise
        except FileNotFoundError:
            raise StoreError(f"{self.url}{file}: not a store of samples (nothing there)") from None
        except Exception as error:  # every back end of fsspec has kinds of its own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"{self.url}{file}: not a store of samples ({reason})") from error
