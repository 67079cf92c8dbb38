"""What the models of a run cost, device by device: ``costs.json``, measured and not derived."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from results.errors import ResultError
from results.files import atomic_write, read_json
from results.schema import ModelId

COSTS_FILE = "costs.json"
COST_SCHEMA: Final = 1
_Name = Annotated[str, Field(min_length=1, max_length=300)]


class _Strict(BaseModel):
    """Unknown keys are errors; NaN and infinities too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelCost(_Strict):
    """What one model costs on one device.

    Attributes:
        model: Its id.
        parameters: All parameters, as in training; ``trained`` those that gradient steps change.
        input_size: Side of its input in pixels.
        flops: Floating-point operations of scoring one image alone, a multiply-add as two.
        batch: Images a forward pass when the rate was timed.
        images_per_second: Prepared images scored a second; the median of the rounds.
        spread: Half the range of the rounds' rates over their median.
        latency_seconds: Time of scoring one prepared image alone.
        peak_bytes: Memory for weights and one forward pass of ``batch``, at its peak.
    """

    model: ModelId
    parameters: int = Field(ge=0)
    trained: int = Field(ge=0)
    input_size: int = Field(ge=1)
    flops: int = Field(ge=0)
    batch: int = Field(ge=1)
    images_per_second: float = Field(gt=0)
    spread: float = Field(ge=0)
    latency_seconds: float = Field(gt=0)
    peak_bytes: float


class DeviceCosts(_Strict):
    """What was measured on one device: numbers of two are never in one table or figure.

    Attributes:
        device: What was measured on, without naming the machine.
        precision: Of the weights.
        rounds: How often it was timed.
        detectors: By what the study calls them.
    """

    device: _Name
    precision: _Name
    rounds: int = Field(ge=1)
    detectors: Mapping[_Name, ModelCost] = Field(min_length=1)


class RunCosts(_Strict):
    """All that was measured for a run."""

    schema_: Literal[1] = Field(default=COST_SCHEMA, alias="schema")
    measured: tuple[DeviceCosts, ...]


def read_costs(run: str | Path) -> tuple[DeviceCosts, ...]:
    """Read what was measured for a run, device by device; nothing where nothing was.

    Raises:
        ResultError: The file is not of this form, or names a device twice.
    """
    path = Path(run) / COSTS_FILE
    if not path.exists():
        return ()
    try:
        found = RunCosts.model_validate(read_json(path)).measured
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ResultError(f"{path}: {where}: {first['msg']}") from None
    devices = [each.device for each in found]
    if len(set(devices)) < len(devices):
        raise ResultError(f"{path}: a device stands there twice")
    return found


def add_costs(run: str | Path, costs: DeviceCosts) -> None:
    """Add what was measured on a device; of the same device, detectors measured anew are replaced.

    Raises:
        ResultError: The file that is there is not of this form.
    """
    others = [each for each in read_costs(run) if each.device != costs.device]
    before = [each for each in read_costs(run) if each.device == costs.device]
    held = dict(before[0].detectors) if before else {}
    whole = costs.model_copy(update={"detectors": {**held, **costs.detectors}})
    made = RunCosts(measured=tuple(sorted([*others, whole], key=lambda each: each.device)))
    text = json.dumps(made.model_dump(mode="json", by_alias=True), indent=2, sort_keys=True)
    atomic_write(Path(run) / COSTS_FILE, text + "\n")
