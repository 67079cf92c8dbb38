"""What the models of a run cost on this machine, kept beside the run for its report."""

from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmark.analysis.cost import Setting, measure_detector
from benchmark.analysis.embedding import chosen_entries, load_model
from benchmark.environment import resolve_device
from benchmark.progress import Progress
from benchmark.training.store import ModelStore, default_store
from detectors.catalog import modules_of
from leaderboard.report import report
from leaderboard.tables.cost import Cost
from results.costs import DeviceCosts, ModelCost, add_costs
from results.faults import checked_contents


def measure_run(
    run: Path,
    setting: Setting,
    *,
    detectors: Sequence[str] | None = None,
    store: Path | None = None,
    progress: Progress | None = None,
    allow_code: Collection[str] = (),
) -> Path:
    """Measure one trained model of each detector, and build the run's report again.

    Args:
        run: The run's folder; ``costs.json`` in it keeps what was measured on other devices.
        setting: How; its size is of no matter.
        detectors: Only these, as the study calls them.
        store: Folder of trained models.
        progress: Told of each detector.
        allow_code: Modules of one's own that the run may name, beside those in ``detectors``.

    Returns:
        The page of the report.

    Raises:
        CodeError: A file of the run names a module that is not allowed.
        BenchmarkError: No model is meant, its weights are gone, or there is no such device.
        ResultError: The run is not what it was sealed as.
    """
    progress = progress or Progress()
    resolve_device(setting.device)
    chosen: dict[str, str] = {}
    for entry in chosen_entries(checked_contents(run).facts, detectors, None):
        chosen.setdefault(entry.detector, str(entry.model))
    allowed = {*allow_code, *modules_of(detectors or ())}
    root = (store or default_store()).resolve()
    found, device = {}, ""
    progress.phase("cost", len(chosen))
    for name, model in chosen.items():
        progress.job(name, total=1)
        # Not a fork: it would begin with this process's memory, and CUDA does not survive one.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            cost, device = pool.submit(_measured, run, model, root, allowed, setting).result()
        found[name] = _stated(model, cost)
        progress.finish()
    add_costs(
        run,
        DeviceCosts(device=device, precision="float32", rounds=setting.rounds, detectors=found),
    )
    page: Path = report(run)
    return page


def _measured(
    run: Path, model: str, store: Path, allowed: Collection[str], setting: Setting
) -> tuple[Cost, str]:
    """Measure one model in a process of its own; give what it ran on too."""
    if setting.threads is not None:
        torch.set_num_threads(setting.threads)
    return measure_detector(
        model, "", setting, lambda: load_model(run, model, ModelStore(store), set(allowed))
    )


def _stated(model: str, cost: Cost) -> ModelCost:
    """Give what the run keeps of a cost; each of its numbers was measured."""
    numbers = {name: getattr(cost, name) for name in ModelCost.model_fields if name != "model"}
    return ModelCost(model=model, **numbers)
