"""Locks by name in one file, each of which vanishes with the process that holds it.

A name stands for one byte of the file, locked by the system (``F_OFD_SETLK``): nothing is written,
no file is left behind for every lock, and a process that is killed, ``-9`` too, lets go of all that
it held. Over NFS the server keeps these locks; see docs/executors.md for what that takes.
"""

import errno
import fcntl
import hashlib
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmark.errors import BenchmarkError

# struct flock: type, whence, start, length, process (0 for locks of an open file).
_FLOCK = struct.Struct("hhqqi4x")
_TAKEN = (errno.EACCES, errno.EAGAIN)
# Beyond the end of any file: a byte need not be there to be locked.
_PLACES = 2**62


class Locks:
    """The locks of one file, for one holder; two holders in one process exclude each other too.

    What one holder has it may take again, shared in place of alone too. Not for several threads.
    """

    def __init__(self, path: Path) -> None:
        """Open the lock file ``path``, which is made if it is not there.

        Raises:
            BenchmarkError: It cannot be made or written.
        """
        self.path = path
        self._file = self._opened()

    def __enter__(self) -> Self:
        """Give the locks themselves."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of everything."""
        self.close()

    def close(self) -> None:
        """Let go of everything."""
        os.close(self._file)

    def reopen(self) -> None:
        """Let go of everything, and open what is there now."""
        self.close()
        self._file = self._opened()

    def take(self, name: str, *, shared: bool = False) -> bool:
        """Take a lock if nobody else has it.

        Args:
            name: Of the lock.
            shared: Whether others may have it too, shared.

        Returns:
            Whether it is held now; otherwise it is as it was before.
        """
        try:
            self._set(fcntl.F_OFD_SETLK, name, fcntl.F_RDLCK if shared else fcntl.F_WRLCK)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise self._unsupported(error) from error
        return True

    def wait(self, name: str) -> None:
        """Take a lock, alone, as soon as it is free."""
        try:
            self._set(fcntl.F_OFD_SETLKW, name, fcntl.F_WRLCK)
        except OSError as error:
            raise self._unsupported(error) from error

    def free(self, name: str) -> None:
        """Let go of a lock, held or not."""
        self._set(fcntl.F_OFD_SETLK, name, fcntl.F_UNLCK)

    def is_current(self) -> bool:
        """Tell whether the file is still the one of this path: it may have been removed."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(self._file), there)

    def _opened(self) -> int:
        """Open the file."""
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise BenchmarkError(
                f"{self.path}: the lock file cannot be opened ({error.strerror}): work is shared "
                "out by it, so its folder must be one that can be written to"
            ) from error

    def _set(self, command: int, name: str, kind: int) -> None:
        """Set the lock of one byte."""
        digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).digest()
        place = int.from_bytes(digest[:8]) % _PLACES
        fcntl.fcntl(self._file, command, _FLOCK.pack(kind, os.SEEK_SET, place, 1, 0))

    def _unsupported(self, error: OSError) -> BenchmarkError:
        """Say what to do where the file system has no locks."""
        return BenchmarkError(
            f"{self.path}: the file system gives no lock there ({error.strerror}): several workers "
            "could not tell what the others do, so choose a folder of another file system, or "
            "mount this one with locks (docs/executors.md)"
        )
