"""How a study is carried out, beside what is studied."""

from dataclasses import dataclass
from pathlib import Path

from benchmark.executors import LOCAL, ChosenExecutor, Share
from benchmark.progress import Progress

CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a study is carried out: nothing here is part of what is studied.

    Attributes:
        out: Folder of the run. A run that is there is continued, and detectors, protocols or seeds
            are added to it; its data and environment must be the same. Several workers may fill
            one folder at once.
        store: Folder of trained models, shared by runs; None: in the user's cache folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of torch; None: its own choice.
        checkpoint_seconds: Time between saved states of a training under way.
        features: Folder where outputs of frozen, pretrained networks are kept, by content, for all
            heads, training sets and seeds, 2 to 4 kB an image; None: they are computed each time.
        pixels: Folder where decoded pixels are kept, by the content of their files, for all epochs,
            models and studies; None: files are decoded each time.
        executor: Who does the work.
        precision: In which models score, ``float32`` or ``bfloat16``; a run has one.
        share: What to begin with, as one of several workers, of whom none waits for the others;
            None: as a worker who stays until the run is whole.
        progress: Told of everything that happens.
    """

    out: Path
    store: Path | None = None
    device: str = "auto"
    threads: int | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    features: Path | None = None
    pixels: Path | None = None
    executor: ChosenExecutor = LOCAL
    precision: str = "float32"
    share: Share | None = None
    progress: Progress
