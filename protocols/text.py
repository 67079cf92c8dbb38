"""Names that strangers chose, made safe to show: in a terminal, a table or a file's name."""

import re

from protocols.errors import ProtocolError

# What moves a cursor, turns a line around or hides itself, and halves of characters: C0 and C1
# controls, separators of lines, marks of direction, signs without width, surrogates.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_LONGEST = 230  # bytes of a name: file systems take 255, and an ending follows


def printable(text: str, keep: str = "") -> str:
    r"""Give a text in which nothing acts on what shows it: an escape sign is read as ``\x1b``.

    Args:
        text: Any text, names of files that are not UTF-8 too.
        keep: Signs that stay as they are, such as the line break of a text of several lines.
    """
    return _UNSEEN.sub(lambda sign: sign[0] if sign[0] in keep else _escaped(sign[0]), text)


def check_file_name(name: str, what: str) -> str:
    """Give back a name that can be a file's or folder's of its own: nothing of a path in it.

    Args:
        name: Without its ending.
        what: What an error calls it: ``the protocol``.

    Raises:
        ProtocolError: It is empty or too long, begins with a dot, or holds a separator of paths or
            a sign that cannot be seen.
    """
    if not can_name_file(name):
        raise ProtocolError(
            f"{what} '{printable(name)[:_LONGEST]}' cannot name a file: use letters, digits, '-' "
            f"and '_' ({_LONGEST} bytes at most)"
        )
    return name


def can_name_file(name: str) -> bool:
    """Tell whether a name can be that of a file in a folder, on any system, and can be seen."""
    if not name or name[0] == "." or name != name.strip() or printable(name) != name:
        return False
    return not re.search(r'[/\\:*?"<>|]', name) and len(name.encode()) <= _LONGEST


def _escaped(sign: str) -> str:
    """Write a sign as Python does."""
    return sign.encode("unicode_escape", "backslashreplace").decode("ascii")
