"""The text of arguments, read: a wrong one is an error that shows the form."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.study.schema import Study, study_of


def read_study(
    target: str,
    detectors: str | None,
    size: str | None,
    recipe: str | None,
    seeds: str | None,
    train_on: str | None,
    track: str | None,
) -> Study:
    """Make the study that the arguments describe."""
    if size not in (None, "tiny", "base"):
        raise BenchmarkError(f"--size is tiny or base, not '{size}'")
    numbers = read_list(seeds) or []
    wrong = [number for number in numbers if not number.isdecimal()]
    if wrong:
        raise BenchmarkError(f"--seeds are whole numbers from 0, not '{wrong[0]}'")
    return study_of(
        target,
        detectors=read_list(detectors),
        size=size,  # type: ignore[arg-type]  # checked above
        recipe=recipe,
        seeds=[int(number) for number in numbers] or None,
        train_on=read_list(train_on),
        track=track,
    )


def read_list(text: str | None) -> list[str] | None:
    """Split at commas."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def read_data(texts: list[str], roles: Sequence[str] = ()) -> Path | dict[str, Path | str]:
    """Read ``--data``: one manifest, or one for each role; ``roles`` are named where one lacks."""
    if len(texts) == 1 and "=" not in texts[0]:
        return Path(texts[0])
    found: dict[str, Path | str] = {}
    for text in texts:
        if "=" not in text:
            known = f"; the roles are {', '.join(roles)}" if roles else ""
            raise BenchmarkError(
                f"--data: several manifests need a role each, as --data ROLE={text}{known}"
            )
        role, manifest = read_pair(text, "--data ROLE=MANIFEST")
        if role in found:
            raise BenchmarkError(f"--data: role '{role}' is bound twice")
        found[role] = Path(manifest)
    return found


def read_by_generator(texts: list[str] | None, option: str) -> str | dict[str, str] | None:
    """Read one value for all generators, or GENERATOR=VALUE for each; None if there is none."""
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    return dict(read_pair(text, f"{option} GENERATOR=VALUE") for text in texts)


def read_shares(text: str | None) -> tuple[float, float, float] | None:
    """Read the shares of train, val and test."""
    if text is None:
        return None
    try:
        train, val, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise BenchmarkError(f"--splits are three numbers like 0.7,0.1,0.2, not '{text}'") from (
            error
        )
    return train, val, test


def read_pair(text: str, form: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise BenchmarkError(f"{form}: '{text}' is not of that form")
    return name, value
