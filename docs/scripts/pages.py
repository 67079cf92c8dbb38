"""Pages of which a part is made: what stands between two marks is replaced."""

from pathlib import Path


def between_marks(text: str, begin: str, end: str, made: str) -> str:
    """Give a page with ``made`` in place of what stands between two marks.

    Raises:
        ValueError: The page does not have them.
    """
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise ValueError(f"the page has no '{begin}' followed by '{end}'")
    return f"{before}{begin}\n\n{made}\n{end}{after}"


def rewrite(page: str, begin: str, end: str, made: str) -> None:
    """Replace what stands between two marks of the file ``page``."""
    target = Path(page)
    text = target.read_text(encoding="utf-8")
    target.write_text(between_marks(text, begin, end, made), encoding="utf-8")
