"""The faces of one video, or of one picture, cut out: who is taken, what is left out and why."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.data.content import check_content
from benchmark.data.crops import POLICIES, Crop, CroppedPicture, CropSettings, LeftOut
from benchmark.data.cutting import Cut, apply_cut, share_outside
from benchmark.data.faces import Face, FaceBox, FaceDetector, find_faces
from benchmark.data.faces.people import People, PersonMask, covered
from benchmark.data.faces.recipes import CropRecipe, load_crop_recipe
from benchmark.data.images import (
    FRAME,
    OpenFile,
    Pixels,
    Place,
    file_of,
    frames_of,
    locate,
    read_image_bytes,
    whereabouts,
)
from benchmark.data.manifest import Manifest
from benchmark.data.tree import is_video
from benchmark.errors import BenchmarkError, ImageError
from results.files import file_hash

_COUNTED = 0.0005  # of a crop outside of its picture: less is rounding
NO_FACE, LEAVES = "no face", "the face leaves the picture"
OTHER_PERSON = "another person than the one who is followed"


class _Seen(NamedTuple):
    """A face that may be taken."""

    face: Face
    person: int
    covered: float  # of the mask


class _Picture(NamedTuple):
    """A picture whose faces were found."""

    place: int
    pixels: Pixels
    seen: list[_Seen]
    sha256: str
    has_mask: bool


class Pictures(NamedTuple):
    """The pictures of a manifest, for all threads.

    Attributes:
        root: The manifest's.
        ids: Sample ids, by row.
        hashes: The sha256 that each file must have, "" if none is known.
        masks: What is white where each was changed, "" if nothing says so.
    """

    root: Path
    ids: list[str]
    hashes: list[str]
    masks: list[str]


def pictures_of(manifest: Manifest) -> Pictures:
    """Give what is asked of a manifest's pictures."""
    samples = manifest.samples
    masks = samples["mask"].tolist() if "mask" in samples else [""] * len(samples)
    ids, hashes = samples["sample_id"].tolist(), samples["sha256"].tolist()
    return Pictures(manifest.root, ids, hashes, masks)


class Cropper:
    """Cuts the faces of a manifest's groups out and writes them; one a thread."""

    def __init__(
        self, pictures: Pictures, out: Path, settings: CropSettings, detector: FaceDetector
    ) -> None:
        """Get ready.

        Args:
            pictures: The pictures.
            out: The folder of crops.
            settings: How.
            detector: What finds faces.
        """
        self._root, self._ids, self._hashes, self._masks = pictures
        self._out, self._settings, self._detector = out, settings, detector
        self._recipe: CropRecipe = load_crop_recipe(settings.recipe)

    def group(self, places: Sequence[int]) -> list[CroppedPicture]:
        """Cut the faces of one group out: all frames of a video, or one picture.

        Args:
            places: Rows of the manifest.

        Returns:
            What came of each, in the order of the video.

        Raises:
            ImageError: A picture cannot be read, and that is not allowed.
            BenchmarkError: Something is refused.
        """
        done: list[CroppedPicture] = []
        weights: dict[int, float] = {}
        masked: dict[int, float] = {}
        people = People()
        for place, picture in self._pictures(sorted(places, key=self._order), people):
            if isinstance(picture, LeftOut):
                done.append(CroppedPicture(place, [], picture))
                continue
            for seen in picture.seen:
                weights[seen.person] = weights.get(seen.person, 0.0) + seen.face.box.area
                masked[seen.person] = masked.get(seen.person, 0.0) + seen.covered
            done.append(self._done(picture))
        if self._settings.several == "tracked" and weights:
            sums = masked if any(masked.values()) else weights
            followed = max(sums, key=lambda person: (sums[person], -person))
            done = [self._only(each, followed) for each in done]
        return [self._inside(each) for each in done]

    def _order(self, place: int) -> tuple[list[tuple[int, str]], int]:
        """Sort frames by their number, in a name or behind it."""
        (name, _), frame = whereabouts(self._ids[place])
        parts = re.split(r"([0-9]+)", name)
        return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], frame

    def _pictures(
        self, places: Sequence[int], people: People
    ) -> Iterator[tuple[int, _Picture | LeftOut]]:
        """Read pictures one after the other, each file opened once, and find their faces."""
        with ExitStack() as stack:
            files = _Files(stack)
            for place in places:
                try:
                    yield place, self._picture(place, files, people)
                except ImageError as error:
                    if not self._settings.allow_missing:
                        raise
                    yield place, LeftOut(error.reason, "")

    def _picture(self, place: int, files: "_Files", people: People) -> _Picture | LeftOut:
        """Read a picture and find its faces."""
        sample_id = self._ids[place]
        where = locate(self._root, sample_id)
        pixels = files.picture(where)
        sha256 = files.sha256(where)
        check_content(where.name, sha256, self._hashes[place])
        mask = self._mask(place, files, pixels.shape[:2])
        faces = find_faces(
            self._detector,
            pixels,
            side=self._settings.side,
            confidence=self._settings.confidence,
        )
        seen = []
        for face, person in zip(faces, people.number(faces), strict=True):
            share = covered(face, mask) if mask is not None else 0.0
            seen.append(_Seen(face, person, share))
        if not seen:
            return self._left_out(sample_id, "no_face", NO_FACE, 0)
        return _Picture(place, pixels, seen, sha256, mask is not None)

    def _mask(self, place: int, files: "_Files", size: tuple[int, int]) -> PersonMask | None:
        """Read where a picture was changed; None: nothing says so."""
        import cv2

        name = self._masks[place]
        if not name:
            return None
        if is_video(name) and FRAME not in name:
            name = f"{name}{FRAME}{whereabouts(self._ids[place])[1]}"
        pixels = files.picture(locate(self._root, name))
        mask = (pixels.max(axis=2) > 127).astype(np.uint8)
        if mask.shape != size:
            mask = np.asarray(
                cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST), dtype=np.uint8
            )
        return mask.astype(np.bool_) if mask.any() else None

    def _done(self, picture: _Picture) -> CroppedPicture:
        """Take the faces of a picture that are wanted, and write their crops."""
        sample_id, found = self._ids[picture.place], len(picture.seen)
        chosen = self._chosen(picture)
        if isinstance(chosen, LeftOut):
            return CroppedPicture(picture.place, [], chosen)
        height, width = picture.pixels.shape[:2]
        cuts = [(seen, self._recipe.place(seen.face, height, width)) for seen in chosen]
        crops = [self._written(picture, seen, cut) for seen, cut in cuts if cut is not None]
        left_out = None if crops else self._left_out(sample_id, "outside", LEAVES, found)
        return CroppedPicture(picture.place, crops, left_out)

    def _chosen(self, picture: _Picture) -> list[_Seen] | LeftOut:
        """Choose among the faces of a picture."""
        sample_id, seen = self._ids[picture.place], picture.seen
        several = self._settings.several
        box = locate(self._root, sample_id).box
        if box is not None:
            wanted = FaceBox(*box)
            return self._nearest(
                picture, [each.face.box.iou(wanted) for each in seen], "in the box"
            )
        if several in ("all", "tracked"):
            return seen
        if picture.has_mask:
            return self._nearest(picture, [each.covered for each in seen], "on the mask")
        if several != "largest" and len(seen) > 1:
            return self._left_out(sample_id, "several", "several faces", len(seen))
        return seen[:1]

    def _nearest(
        self, picture: _Picture, shares: Sequence[float], where: str
    ) -> list[_Seen] | LeftOut:
        """Choose the face that has most of what was asked for."""
        best = int(np.argmax(shares))
        if shares[best] > 0:
            return [picture.seen[best]]
        sample_id = self._ids[picture.place]
        return self._left_out(sample_id, "no_face", f"no face {where}", len(picture.seen))

    def _left_out(self, sample_id: str, policy: str, reason: str, found: int) -> LeftOut:
        """Leave a picture out, or refuse to."""
        if getattr(self._settings, policy) == "refuse":
            option = policy.replace("_", "-")
            raise BenchmarkError(
                f"'{sample_id}': {reason} ({found} found); take it out of the manifest, or say "
                f"--{option} {POLICIES[policy][0]}"
            )
        return LeftOut(reason, str(found))

    def _written(self, picture: _Picture, seen: _Seen, cut: Cut) -> Crop:
        """Write a crop."""
        outside = share_outside(cut, *picture.pixels.shape[:2])
        sample_id = self._ids[picture.place]
        several = self._settings.several in ("all", "tracked")
        path = _file_name(sample_id, seen.person if several else None)
        data = _png(apply_cut(cut, picture.pixels))
        target = self._out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        points = " ".join(f"{value:.2f}" for value in seen.face.points.ravel())
        return Crop(
            path=path,
            sha256=hashlib.sha256(data).hexdigest(),
            width=str(cut.width),
            height=str(cut.height),
            crop_of=sample_id,
            crop_of_sha256=picture.sha256,
            crop_place=str(cut),
            crop_outside=f"{outside if outside > _COUNTED else 0:.3f}",
            face_box=" ".join(f"{value:.2f}" for value in seen.face.box),
            face_points=points,
            face_confidence=f"{seen.face.confidence:.4f}",
            face_person=str(seen.person),
            faces_found=str(len(picture.seen)),
        )

    def _only(self, done: CroppedPicture, person: int) -> CroppedPicture:
        """Keep the crop of one person alone, under the name of a single face."""
        kept = []
        for crop in done.crops:
            file = self._out / crop.path
            if crop.face_person != str(person):
                file.unlink()
                continue
            path = _file_name(crop.crop_of, None)
            file.replace(self._out / path)
            kept.append(crop._replace(path=path))
        if done.crops and not kept:
            return CroppedPicture(done.place, [], LeftOut(OTHER_PERSON, done.crops[0].faces_found))
        return done._replace(crops=kept)

    def _inside(self, done: CroppedPicture) -> CroppedPicture:
        """Leave out the crops that leave their picture, or refuse them, if that is wanted."""
        if self._settings.outside == "keep":
            return done
        kept = []
        for crop in done.crops:
            if float(crop.crop_outside):
                left_out = self._left_out(crop.crop_of, "outside", LEAVES, int(crop.faces_found))
                (self._out / crop.path).unlink()
            else:
                kept.append(crop)
        if done.crops and not kept:
            return CroppedPicture(done.place, [], left_out)
        return done._replace(crops=kept)


class _Files:
    """The files that a group's pictures and masks are in, each opened and hashed once."""

    def __init__(self, stack: ExitStack) -> None:
        """Open nothing yet; ``stack`` closes what will be."""
        self._stack = stack
        self._open: dict[Path, OpenFile] = {}
        self._hashes: dict[str, str] = {}

    def picture(self, where: Place) -> Pixels:
        """Give the whole picture."""
        if where.frame is None:  # one file a picture: kept open, all would be held in memory
            with OpenFile(frames_of) as file:
                return file.picture(where)
        if where.path not in self._open:
            self._open[where.path] = self._stack.enter_context(OpenFile(frames_of))
        return self._open[where.path].picture(where)

    def sha256(self, where: Place) -> str:
        """Hash the file of a picture."""
        if where.name not in self._hashes:
            self._hashes[where.name] = (
                file_hash(where.path)
                if where.span is None
                else hashlib.sha256(read_image_bytes(where)).hexdigest()
            )
        return self._hashes[where.name]


def _png(pixels: Pixels) -> bytes:
    """Encode (h, w, 3) RGB without loss: the crop is what its place in the picture says."""
    import cv2

    _, data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    return bytes(data.tobytes())


def _file_name(sample_id: str, person: int | None) -> str:
    """Name the file of a crop: the picture's, and below it the frame where there is one."""
    name, (_, frame) = file_of(sample_id), whereabouts(sample_id)
    rest = sample_id.removeprefix(name)
    parts = [f"{frame:06d}"] if FRAME in rest else []
    if box := re.search(r"xywh=([0-9,]+)", rest):
        parts.append(box[1].replace(",", "_"))
    if person is not None:
        parts.append(f"face{person}")
    return f"{name}/{'-'.join(parts)}.png" if parts else f"{name}.png"
