"""Memory of the C library, kept for the next tensor: it halves a small network's step on a CPU."""

import ctypes
import os
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt's numbers of its parameters
_LARGEST_KEPT = 32 * 2**20  # bytes; glibc takes no more
_NEVER = 2**31 - 1
_USERS_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Let glibc keep the memory of freed tensors, up to 32 MiB each, for those that come next.

    On a CPU torch takes and frees megabytes for every layer of every step. By its own rule glibc
    gives them back to the system each time, which hands them out again page by page, zeroed:
    often more time than the arithmetic (``performance/README.md``). It is a setting of the
    process; no number depends on it, and what is larger than 32 MiB is still given back at once.

    Returns:
        Whether it is so from now on: not without glibc, nor where the environment sets glibc's
        thresholds itself.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _USERS_OWN):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    kept = mallopt(_TRIM_THRESHOLD, _NEVER) and mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    return bool(kept)
