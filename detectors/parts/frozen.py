"""Outputs of frozen networks, kept on disk by input: computed once for all heads and seeds.

A frozen network gives an image the same features whatever is trained on them. Each row of a batch
is known by the hash of its tensor, so whoever prepared it - another training set, seed, head or
study - and however (another crop, a mirror, a perturbation) is told apart by content alone.
"""

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detectors.errors import WeightsError

_TABLE = (
    "CREATE TABLE IF NOT EXISTS features (input BLOB PRIMARY KEY, sum INTEGER NOT NULL, "
    "row BLOB NOT NULL) WITHOUT ROWID"
)
_WAIT_SECONDS = 120.0
# Of a 128-bit hash; two of 10^9 different inputs share one with probability 10^-21.
_HASH_BYTES = 16
# Variables of one statement of SQLite, of any build.
_MOST_ASKED = 500


class FrozenFeatures:
    """Rows of features in a folder, one SQLite file a network; several processes may share it.

    A row is float32, of any width, with a checksum: one that was damaged is computed again.
    """

    def __init__(self, folder: Path | str) -> None:
        """Use ``folder``, which is made with the first row.

        Raises:
            WeightsError: Something else is there.
        """
        self.folder = Path(folder)
        if os.path.lexists(self.folder) and not self.folder.is_dir():
            raise WeightsError(f"{self.folder}: no folder, so no features can be kept in it")
        self._open: dict[str, sqlite3.Connection] = {}
        self._names: dict[int, tuple[Any, str]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be sent to another process, which opens the files itself."""
        return FrozenFeatures, (self.folder,)

    def rows(
        self,
        network: nn.Module,
        kind: str,
        inputs: Tensor,
        compute: Callable[[Tensor], Tensor],
        *,
        width: int,
    ) -> Tensor:
        """Give the features of each input; compute those that are not kept, and keep them.

        Args:
            network: Frozen and in evaluation mode; its tensors name the file.
            kind: What of the network is given, beside its tensors: layers, configuration.
            inputs: (B, ...) float32.
            compute: Gives (b, d) float32 of (b, ...) inputs.
            width: d; a row of another width is computed again.

        Returns:
            (B, d) float32 on the device of ``inputs``, without gradient.

        Raises:
            WeightsError: The folder cannot be read or written.
        """
        file = self.folder / f"{self._name(network, kind, inputs.device)}.sqlite"
        images = inputs.detach().cpu().contiguous().numpy()
        keys = [hashlib.blake2b(each, digest_size=_HASH_BYTES).digest() for each in images]
        try:
            found = self._kept(file, keys, width)
            missing = [at for at, key in enumerate(keys) if key not in found]
            if missing:
                # One by one: how a batch is rounded depends on its size, and so would what is kept.
                with torch.no_grad():
                    new = [compute(inputs[at : at + 1]).float().cpu().numpy()[0] for at in missing]
                added = dict(zip((keys[at] for at in missing), new, strict=True))
                self._keep(file, added)
                found |= added
        except (OSError, sqlite3.Error) as error:
            raise WeightsError(
                f"{file}: features cannot be kept there ({error}): remove the file, or keep none "
                "(without --keep-features)"
            ) from error
        stacked = torch.from_numpy(np.stack([found[key] for key in keys]))
        return stacked.to(inputs.device)

    def _name(self, network: nn.Module, kind: str, device: torch.device) -> str:
        """Name a network by its tensors, which are hashed anew when one was written to."""
        tensors = [*network.state_dict(keep_vars=True).items()]
        written = tuple((name, each.data_ptr(), each._version) for name, each in tensors)
        known = self._names.get(id(network))
        if known is None or known[0] != written:
            digest = hashlib.sha256()
            for name, tensor in tensors:
                digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
            self._names[id(network)] = known = (written, digest.hexdigest())
        rounding = f"{device.type} {torch.get_num_threads()} {torch.__version__}"
        named = f"{known[1]} {kind} {rounding}"
        return hashlib.sha256(named.encode()).hexdigest()[:32]

    def _kept(self, file: Path, keys: list[bytes], width: int) -> dict[bytes, np.ndarray[Any, Any]]:
        """Read the rows that are there and whole."""
        if str(file) not in self._open and not file.exists():
            return {}
        found: dict[bytes, np.ndarray[Any, Any]] = {}
        connection = self._connection(file)
        for start in range(0, len(keys), _MOST_ASKED):
            part = keys[start : start + _MOST_ASKED]
            marks = ",".join("?" * len(part))
            query = f"SELECT input, sum, row FROM features WHERE input IN ({marks})"  # noqa: S608
            for key, checksum, row in connection.execute(query, part):
                whole = isinstance(row, bytes) and len(row) == 4 * width
                if whole and zlib.crc32(key + row) == checksum:
                    found[key] = np.frombuffer(row, dtype="<f4")
        return found

    def _keep(self, file: Path, rows: dict[bytes, np.ndarray[Any, Any]]) -> None:
        """Write rows; of a file that is written elsewhere at the same time, one after the other."""
        made = [
            (key, zlib.crc32(key + stored), stored)
            for key, row in rows.items()
            if np.isfinite(row).all() and (stored := row.astype("<f4").tobytes())
        ]
        connection = self._connection(file)
        with connection:
            connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", made)

    def _connection(self, file: Path) -> sqlite3.Connection:
        """Open a file once."""
        if str(file) not in self._open:
            file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(file, timeout=_WAIT_SECONDS, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_TABLE)
            # A trigger or a view in a file from anywhere would have its own statements run.
            held = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
            if held != [("table", "features", _TABLE.replace("IF NOT EXISTS ", ""))]:
                connection.close()
                raise sqlite3.DatabaseError("it holds something else than rows of features")
            self._open[str(file)] = connection
        return self._open[str(file)]


_KEPT: ContextVar[FrozenFeatures | None] = ContextVar("frozen_features", default=None)


@contextmanager
def frozen_features(kept: FrozenFeatures | None) -> Iterator[None]:
    """Let frozen networks take their outputs from ``kept`` for a while; None: compute them."""
    token = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(token)


def once(
    network: nn.Module,
    kind: str,
    inputs: Tensor,
    compute: Callable[[Tensor], Tensor],
    *,
    width: int,
) -> Tensor:
    """Give a frozen network's features, kept ones where ``frozen_features`` says so.

    Of lower precision (autocast), or where the inputs take a gradient, nothing is kept. Arguments
    as ``FrozenFeatures.rows``.
    """
    kept = _KEPT.get()
    if kept is None or inputs.requires_grad or torch.is_autocast_enabled(inputs.device.type):
        return compute(inputs)
    return kept.rows(network, kind, inputs, compute, width=width)
