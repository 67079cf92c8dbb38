"""What a run says of clock and host: ``host.json``, from which no number follows."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from results.errors import ResultError
from results.files import read_json

HOST = "host.json"
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class StageTime(BaseModel):
    """What a stage took.

    Attributes:
        seconds: Of all threads together.
        count: Images, scores or steps that it went to, where they are counted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: Seconds
    count: Annotated[int, Field(ge=0)]


class SittingTimes(BaseModel):
    """What one sitting of a run took.

    Attributes:
        began: When, in ISO 8601.
        device: What it computed on.
        seconds: Wall time by phase.
        stages: By phase and stage.
        stopped: Whether it ended before the work did.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    began: str
    device: str = ""
    seconds: dict[str, Seconds]
    stages: dict[str, dict[str, StageTime]]
    stopped: bool = False


def read_sittings(run: str | Path) -> list[SittingTimes]:
    """Read what the sittings of a run took; those of older versions, which took no stages, lack.

    Raises:
        ResultError: ``host.json`` is damaged.
    """
    path = Path(run) / HOST
    if not path.is_file():
        return []
    raw: Any = read_json(path)
    sittings = raw.get("sittings", []) if isinstance(raw, dict) else None
    if not isinstance(sittings, list):
        raise ResultError(f"{path}: 'sittings' must be a list")
    try:
        return [
            SittingTimes.model_validate(each)
            for each in sittings
            if not isinstance(each, dict) or "stages" in each
        ]
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"{path}: 'sittings.{key}' is wrong: {first['msg'].lower()}") from error


def read_host(run: str | Path) -> dict[str, Any]:
    """Read ``host.json`` to add to it; of a run without one, what is empty.

    Raises:
        ResultError: It is damaged.
    """
    path = Path(run) / HOST
    told: Any = read_json(path) if path.is_file() else {"sittings": [], "models": {}}
    kinds = (("sittings", list), ("models", dict))
    if not (isinstance(told, dict) and all(isinstance(told.get(k), kind) for k, kind in kinds)):
        raise ResultError(f"{path}: is not what a run writes of its host: move it away")
    return told
