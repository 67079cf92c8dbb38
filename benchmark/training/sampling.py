"""Order and randomness of training as pure functions of (seed, step, sample id).

No generator is carried from step to step, so a training that was stopped anywhere goes on exactly
as if it had not been, and workers need no random state.
"""

import hashlib

import numpy as np

from benchmark.data.loader import Rows


def derive(*parts: object) -> int:
    """Give a 63-bit seed that depends on every part."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class BatchOrder:
    """Which samples make up the batch of each step.

    Every stream runs through all its rows in a fresh random order before it starts again. Balanced
    batches draw their first half from the real images and the rest from the forged ones.
    """

    def __init__(
        self, real: Rows, fake: Rows, *, batch_size: int, balanced: bool, seed: int
    ) -> None:
        """Set the streams.

        Args:
            real: Rows of the real training images.
            fake: Rows of the forged ones.
            batch_size: Images a step.
            balanced: Draw both classes equally.
            seed: The training seed.
        """
        self.batch_size = batch_size
        if balanced:
            half = batch_size // 2
            self._streams = [("real", real, half), ("fake", fake, batch_size - half)]
        else:
            both = np.sort(np.concatenate([real, fake]))
            self._streams = [("all", both, batch_size)]
        self._seed = seed
        self._n_images = len(real) + len(fake)
        self._orders: dict[str, tuple[int, Rows]] = {}  # of each stream: a lap and its order

    def batch(self, step: int) -> Rows:
        """Give the rows of the batch of ``step``, which counts from 0."""
        parts = [self._take(name, rows, step * count, count) for name, rows, count in self._streams]
        return np.concatenate(parts)

    def epochs(self, steps: int) -> float:
        """Images seen in ``steps`` steps, in units of the training set's size."""
        return steps * self.batch_size / self._n_images

    def _take(self, name: str, rows: Rows, start: int, count: int) -> Rows:
        """Take ``count`` rows of a stream from position ``start`` on."""
        taken: list[Rows] = []
        while count:
            lap, offset = divmod(start, len(rows))
            part = self._order(name, rows, lap)[offset : offset + count]
            taken.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(taken)

    def _order(self, name: str, rows: Rows, lap: int) -> Rows:
        """Give a stream's order in one lap through it; the last one is kept for the next step."""
        known = self._orders.get(name)
        if known is None or known[0] != lap:
            generator = np.random.default_rng(derive(self._seed, "order", name, lap))
            known = self._orders[name] = lap, generator.permutation(rows)
        return known[1]
