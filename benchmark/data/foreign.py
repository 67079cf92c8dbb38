"""Files that are pictures to others and no sample here: named, so that nobody has to guess."""

# What files of other kinds begin with, so that they are refused by name.
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"isom", b"mp41", b"mp42", b"qt  ", b"avc1", b"M4V "), "a video"),
}
_BEGINNINGS = {
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"GIF8": "GIF",
    b"\x1a\x45\xdf\xa3": "a video",
    b"%PDF": "PDF",
    b"<svg": "SVG",
}


def foreign_kind(data: bytes) -> str:
    """Name the kind of a file by its first bytes, "" if it is not known."""
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "")
    return next((kind for start, kind in _BEGINNINGS.items() if data.startswith(start)), "")
