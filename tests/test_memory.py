"""Freed memory is kept for the next tensor, counted in pages that the system had to give anew."""

import os
import platform
import subprocess
import sys

import pytest

from benchmark.environment import keep_freed_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")

FAULTS = """
import resource
import numpy as np
from benchmark.environment import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def rounds():
    before = faults()
    for _ in range(20):
        held = [np.ones(2 << 20) for _ in range(4)]  # 16 MiB each
        del held
    return faults() - before

rounds()
given = rounds()
assert keep_freed_memory()
rounds()
print(given, rounds())
"""


def test_tensors_take_the_memory_of_those_before_them() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    told = subprocess.run(
        [sys.executable, "-c", FAULTS], env=environment, capture_output=True, text=True, check=True
    ).stdout
    given, kept = map(int, told.split())
    assert given > 20 * 4 * (16 << 20) / os.sysconf("SC_PAGE_SIZE") / 600  # even of huge pages
    assert kept < given / 20


def test_the_users_own_setting_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000000")
    assert not keep_freed_memory()
