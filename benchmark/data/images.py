"""From a file to pixels, strictly: a file that is not one whole image is an error that names it.

Still images are read with Pillow, frames of videos with PyAV. Colour profiles are ignored, as the
detectors' training pipelines ignore them.
"""

import hashlib
import io
import os
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from benchmark.data.content import check_content, check_large_content
from benchmark.data.foreign import foreign_kind
from benchmark.data.packs import PackedRoot, Span, read_span
from benchmark.data.remote import RemoteRoot
from benchmark.data.roots import LinkedRoot
from benchmark.data.shapes import check_shape
from benchmark.errors import ImageError
from detectors.files import file_facts, video_facts

if TYPE_CHECKING:
    import torch

    from benchmark.data.video import Frames

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
# Above this an image is taken for a decompression bomb: 50 megapixels are 150 MB of pixels.
MAX_PIXELS = 50_000_000
MAX_BYTES = 256 * 1024 * 1024
FRAME = "#frame="
# As media fragments name a part of a picture: left, top, width, height in pixels.
BOX = "xywh="
_ID = re.compile(r"(.*?)(?:#frame=([^&#]*)(?:&xywh=([^&#]*))?|#xywh=([^&#]*))?", re.DOTALL)
_NUMBER = re.compile("[0-9]+")
PNG_END = b"IEND\xaeB`\x82"
# What Pillow's decoders raise on damaged files, found by fuzzing each format.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class Decoded(NamedTuple):
    """An image and what its file says of itself.

    Attributes:
        pixels: (h, w, 3) uint8 RGB.
        format: One of ``FORMATS``, or ``video``.
    """

    pixels: Pixels
    format: str


class Box(NamedTuple):
    """Where a face is in an upright image, in pixels."""

    left: int
    top: int
    width: int
    height: int


class Place(NamedTuple):
    """Where a sample's image is.

    Attributes:
        path: The file.
        frame: Number of the frame if it is one of a video.
        box: The part of the picture, if it is not the whole.
        span: Where in the file the image lies, if that is a shard of a pack.
    """

    path: Path
    frame: int | None = None
    box: Box | None = None
    span: Span | None = None

    @property
    def name(self) -> str:
        """What errors call the file."""
        return str(self.path) if self.span is None else f"{self.path}, {self.span.name}"


def read(root: Path, sample_id: str) -> Pixels:
    """Read one sample's image alone; many are read through ``benchmark.data.loader``.

    Args:
        root: The manifest's root.
        sample_id: As in the manifest: a relative path, for a video's frame with ``#frame=17``, for
            a part of a picture with ``#xywh=10,20,224,224`` (``#frame=17&xywh=...``).

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        ImageError: The file is missing, leads out of ``root``, or is not one whole image; or the
            box leaves the picture.
    """
    place = locate(root, sample_id)
    with OpenFile(frames_of) as file:
        return cut(file.picture(place), place)


def cut(pixels: Pixels, place: Place) -> Pixels:
    """Cut the part that is the sample out of the (h, w, 3) picture.

    Raises:
        ImageError: The box leaves the picture.
    """
    if place.box is None:
        return pixels
    left, top, width, height = place.box
    part = pixels[top : top + height, left : left + width]
    if part.shape[:2] != (height, width):
        whole = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise ImageError(
            place.name, f"box {left} {top} {width} {height} leaves the {whole} picture"
        )
    return part.copy()  # a view would hold the whole picture in memory


def file_of(sample_id: str) -> str:
    """Give the path that a sample's id begins with."""
    return _parts(sample_id)[0]


def whereabouts(sample_id: str) -> tuple[tuple[str, bool], int]:
    """Give a sample's path, whether that is of a video, and its frame, without a look at the file.

    A still image and what is no number count as frame 0.
    """
    name, number, _ = _parts(sample_id)
    is_video = number is not None
    return (name, is_video), int(number) if number is not None and _NUMBER.fullmatch(number) else 0


def by_file(sample_ids: Iterable[str]) -> list[list[int]]:
    """Give the places of samples in ``sample_ids``, those of one file together."""
    places: dict[str, list[int]] = {}
    for place, sample_id in enumerate(sample_ids):
        places.setdefault(file_of(sample_id), []).append(place)
    return list(places.values())


def locate(root: Path, sample_id: str) -> Place:
    """Find a sample's file, frame and box.

    Ids are in Unicode's composed form (NFC), file systems may hold the decomposed one: both are
    tried. A link that leads out of ``root`` is refused, for a hostile archive may bring one, unless
    the root is a ``LinkedRoot``.

    Raises:
        ImageError: There is no such file inside ``root``.
    """
    name, number, box = _parts(sample_id)
    if number is not None and not _NUMBER.fullmatch(number):
        raise ImageError(sample_id, f"'{number}' is no frame number; write {FRAME}17")
    if box is not None and not re.fullmatch(r"[0-9]+,[0-9]+,[1-9][0-9]*,[1-9][0-9]*", box):
        raise ImageError(sample_id, f"'{box}' is no box; write {BOX}left,top,width,height")
    path, span = root.find(name) if isinstance(root, PackedRoot) else (_file(root, name), None)
    return Place(
        path,
        None if number is None else int(number),
        None if box is None else Box(*map(int, box.split(","))),
        span,
    )


def _file(root: Path, name: str) -> Path:
    """Find a file inside ``root``."""
    if isinstance(root, RemoteRoot):
        return root.find(name)
    base = Path(os.path.realpath(root))
    path = root / name
    try:
        if not path.exists():
            decomposed = root / unicodedata.normalize("NFD", name)
            path = decomposed if decomposed.exists() else path
    except OSError as error:  # a name too long for the file system, a folder one may not enter
        raise ImageError(str(path), f"unreadable: {error.strerror}") from error
    inside = isinstance(root, LinkedRoot) or Path(os.path.realpath(path)).is_relative_to(base)
    if ".." in PurePosixPath(name).parts or not inside:
        raise ImageError(str(path), "leads out of the manifest's folder")
    return path


def _parts(sample_id: str) -> tuple[str, str | None, str | None]:
    """Split an id into path, frame and box."""
    found = _ID.fullmatch(sample_id)
    assert found is not None  # it matches any text
    return found[1], found[2], found[3] if found[3] is not None else found[4]


def decode(path: Path, frame: int | None = None) -> Pixels:
    """Decode an image file, or one frame of a video file.

    Args:
        path: A JPEG, PNG, WEBP, BMP or TIFF file; with ``frame`` an MP4, MOV, AVI, MKV or WEBM.
        frame: Which frame to take, from 0, in the order they are shown.

    Returns:
        (h, w, 3) uint8 RGB, turned upright as its EXIF orientation or display matrix says. Grey
        is repeated, 16 bits lose the lower 8, and transparency is laid over black: what a
        transparent pixel hides is arbitrary, and black is what face crops are padded with.

    Raises:
        ImageError: It is missing, cut short, damaged, of another format, animated, or larger than
            50 megapixels or 256 MiB.
    """
    if frame is not None:
        with frames_of(path) as frames:
            return frames.at(frame)
    return decode_bytes(read_image_bytes(Place(path)), str(path)).pixels


def frames_of(path: Path) -> "AbstractContextManager[Frames]":
    """Open a video file for one pass over its frames.

    Raises:
        ImageError: It is missing or no such video, or its frames are larger than 50 megapixels.
    """
    from benchmark.data.video import decoding

    check_file(path)
    return decoding(path, max_pixels=MAX_PIXELS)


class OpenFile(ExitStack):
    """The file that some samples are cut out of: opened when the first is asked for, and once."""

    def __init__(self, opener: "Callable[[Path], AbstractContextManager[Frames]]") -> None:
        """Open nothing yet.

        Args:
            opener: Opens a video: ``frames_of``, or what changes the video before.
        """
        super().__init__()
        self._opener = opener
        self._still: Pixels | None = None
        self._frames: Frames | None = None

    def picture(self, place: Place, stated: str = "") -> Pixels:
        """Give the whole picture that a sample is cut out of.

        Args:
            place: All that are asked for name one file. If it is a video, their frames do not fall.
            stated: The sha256 that the file must have; "" if none is known.

        Returns:
            (h, w, 3) uint8 RGB, for reading only: samples share it.

        Raises:
            ImageError: As ``decode``.
        """
        if place.frame is None:
            if self._still is None:
                data = read_image_bytes(place, stated)
                self._still = decode_bytes(data, place.name).pixels
            return self._still
        if self._frames is None:
            check_large_content(place.path, stated)
            self._frames = self.enter_context(self._opener(place.path))
        return self._frames.at(place.frame)


def stored_facts(place: Place, stated: str = "") -> tuple[float, ...]:
    """Measure what a sample's file says of itself: ``detectors.files.FACTS``.

    Raises:
        ImageError: The file cannot be read, or its sha256 is not ``stated``.
    """
    if place.frame is not None:
        return video_facts(check_file(place.path))
    try:
        return file_facts(read_image_bytes(place, stated))
    except DAMAGED as error:
        raise ImageError(place.name, "unreadable: no image's header") from error


def image_tensor(pixels: Pixels) -> "torch.Tensor":
    """Turn (h, w, 3) uint8 into the detectors' (3, h, w) float32 in [0, 1]."""
    import torch

    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return torch.from_numpy(planes).to(torch.float32).div_(255)


def check_file(path: Path) -> int:
    """Give a file's size in bytes.

    Raises:
        ImageError: It is missing, empty or not a regular file.
    """
    if not path.exists():
        raise ImageError(str(path), "missing")
    if not path.is_file():
        raise ImageError(str(path), "not a file")
    size = path.stat().st_size
    if size == 0:
        raise ImageError(str(path), "the file is empty")
    return size


def read_image_bytes(place: Place, stated: str = "") -> bytes:
    """Read an image file whole; ``stated`` is the sha256 that it must have, "" if none is known.

    Raises:
        ImageError: It is missing, empty, not a regular file, unreadable or above 256 MiB.
    """
    size = check_file(place.path) if place.span is None else place.span.size
    if size > MAX_BYTES:
        raise ImageError(place.name, f"{size} bytes, more than the {MAX_BYTES} an image may have")
    try:
        data = place.path.read_bytes() if place.span is None else read_span(place.path, place.span)
    except OSError as error:
        raise ImageError(place.name, f"unreadable: {error.strerror}") from error
    if stated:
        check_content(place.name, hashlib.sha256(data).hexdigest(), stated)
    return data


def decode_bytes(data: bytes, where: str) -> Decoded:
    """Decode what an image file holds; see ``decode``.

    Args:
        data: The whole file.
        where: What the errors call it.

    Raises:
        ImageError: As ``decode``.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise ImageError(
            where,
            "some package has set PIL.ImageFile.LOAD_TRUNCATED_IMAGES, which fills cut "
            "images with grey; set it to False",
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_header(image, where)
            image.load()
            if image.format == "PNG" and PNG_END not in data:
                raise ImageError(where, "unreadable: image file is truncated (no IEND chunk)")
            pixels = _to_rgb(ImageOps.exif_transpose(image), where)
            return Decoded(pixels, "JPEG" if image.format == "MPO" else str(image.format))
    except UnidentifiedImageError as error:
        kind = foreign_kind(data)
        what = f"not a {', '.join(FORMATS)} image" + (f" but {kind}" if kind else "")
        raise ImageError(where, f"unreadable: {what}") from error
    except DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(where, f"unreadable: {reason}") from error


def _check_header(image: Image.Image, where: str) -> None:
    """Refuse, before any pixel is decoded, what is too large or more than one image."""
    check_shape(where, *image.size, MAX_PIXELS)
    # Phones write a second view (depth, gain map) behind the photo; the first is the photo.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageError(where, f"{frames} images in one file; a sample is one, so split it")


def _to_rgb(image: Image.Image, where: str) -> Pixels:
    """Bring any mode that has a stated range to (h, w, 3) uint8 RGB."""
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ImageError(where, "unreadable: 32-bit grey has no stated range; save it as 8 bit")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.array(image.convert("RGB"), dtype=np.uint8)
