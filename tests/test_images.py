import io
import os
import pickle
import unicodedata
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile

from benchmark.data.images import MAX_PIXELS, decode, decode_bytes, image_tensor, read
from benchmark.errors import ImageError

Pixels = NDArray[np.uint8]
MakePixels = Callable[..., Pixels]
MakeImage = Callable[..., Path]

LOSSLESS = {".png": {}, ".bmp": {}, ".tiff": {}, ".webp": {"lossless": True}}
LOSSY = {".jpg": {"quality": 95}, ".jpeg": {"progressive": True, "quality": 95}}


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
def test_every_format_gives_the_pixels_that_were_saved(
    tmp_path: Path, make_image: MakeImage, draw: MakePixels, suffix: str
) -> None:
    path = make_image(tmp_path / f"a{suffix}", **(LOSSLESS | LOSSY)[suffix])
    found = decode(path)
    assert found.dtype == np.uint8
    assert found.shape == (48, 64, 3)
    difference = np.abs(found.astype(int) - draw())
    assert difference.max() == 0 if suffix in LOSSLESS else difference.mean() < 6


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_file_is_an_error_that_names_it(
    tmp_path: Path, make_image: MakeImage, suffix: str, share: float
) -> None:
    path = make_image(tmp_path / f"a{suffix}", **(LOSSLESS | LOSSY)[suffix])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=rf"a\{suffix}: unreadable: ") as caught:
        decode(path)
    assert "\n" not in str(caught.value)


def test_a_png_cut_behind_its_last_pixel_is_cut(tmp_path: Path, make_image: MakeImage) -> None:
    path = make_image(tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ImageError, match=r"a\.png: unreadable: image file is truncated"):
        decode(path)


def test_a_package_that_makes_pillow_lenient_is_found_out(
    tmp_path: Path, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_image(tmp_path / "a.jpg")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ImageError, match=r"a\.jpg: some package has set .*LOAD_TRUNCATED_IMAGES"):
        decode(path)


@pytest.mark.filterwarnings("ignore")  # Pillow remarks on odd TIFF tags
def test_damaged_files_raise_nothing_but_image_errors(draw: MakePixels) -> None:
    random = np.random.default_rng(7)
    refused = 0
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF"):
        whole = encode(Image.fromarray(draw(16, 16)), kind)
        for _ in range(100):
            damaged = bytearray(whole)
            for place in random.integers(0, min(len(damaged), 300), 4):
                damaged[place] = random.integers(256)
            try:
                decode_bytes(bytes(damaged), "a")
            except ImageError:
                refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"a\.jpg: the file is empty"),
        (b"hello\n", r"a\.jpg: unreadable: not a JPEG, PNG, WEBP, BMP, TIFF image"),
        (b"GIF89a" + bytes(99), r"a\.jpg: unreadable: not a JPEG, PNG"),
    ],
)
def test_a_file_that_is_no_image_says_so(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=sentence):
        decode(tmp_path / "a.jpg")


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.jpg: missing"):
        decode(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").mkdir()
    with pytest.raises(ImageError, match=r"b\.jpg: not a file"):
        decode(tmp_path / "b.jpg")
    os.mkfifo(tmp_path / "c.jpg")
    with pytest.raises(ImageError, match=r"c\.jpg: not a file"):
        decode(tmp_path / "c.jpg")


def test_an_error_survives_the_way_out_of_a_worker(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        decode(tmp_path / "a.jpg")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) == f"{tmp_path / 'a.jpg'}: missing"
    assert again.reason == "missing"


def test_a_decompression_bomb_is_refused_before_its_pixels_are_decoded(tmp_path: Path) -> None:
    side = int(MAX_PIXELS**0.5) + 1
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(
        ImageError, match=rf"bomb\.png: {side} x {side} pixels, more than the 50000"
    ):
        decode(tmp_path / "bomb.png")


def test_an_animation_is_not_one_image(tmp_path: Path, draw: MakePixels) -> None:
    first, second = (Image.fromarray(draw(seed=seed)) for seed in (0, 1))
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second])
    with pytest.raises(ImageError, match=r"a\.webp: 2 images in one file; a sample is one"):
        decode(tmp_path / "a.webp")


def test_a_photo_with_a_second_view_behind_it_is_the_photo(
    tmp_path: Path, draw: MakePixels
) -> None:
    first, second = (Image.fromarray(draw(seed=seed)) for seed in (0, 1))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(decode(tmp_path / "a.jpg").astype(int) - draw(seed=0)).mean() < 6


def test_the_exif_orientation_is_applied(tmp_path: Path, draw: MakePixels) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    Image.fromarray(draw()).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), np.rot90(draw(), -1))


def test_transparency_is_laid_over_black(tmp_path: Path, draw: MakePixels) -> None:
    alpha = np.full((48, 64, 1), 255, dtype=np.uint8)
    alpha[:24] = 0
    Image.fromarray(np.concatenate([draw(), alpha], axis=2)).save(tmp_path / "a.png")
    found = decode(tmp_path / "a.png")
    assert found[:24].max() == 0
    np.testing.assert_array_equal(found[24:], draw()[24:])


def test_a_palette_with_a_transparent_colour_is_laid_over_black(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "a.png", transparency=0)
    found = decode(tmp_path / "a.png")
    assert found[0, 0].tolist() == [0, 0, 0]
    assert found[3, 3].tolist() == [0, 255, 0]


def test_grey_of_8_and_16_bits_is_repeated(tmp_path: Path, draw: MakePixels) -> None:
    grey = draw()[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "8.png")
    Image.fromarray(grey.astype(np.uint16) * 256 + 77).save(tmp_path / "16.png")
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(decode(tmp_path / "8.png"), expected)
    np.testing.assert_array_equal(decode(tmp_path / "16.png"), expected)


def test_a_cmyk_jpeg_has_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 30, 60)).convert("CMYK").save(tmp_path / "a.jpg")
    assert np.abs(decode(tmp_path / "a.jpg")[8, 8].astype(int) - (200, 30, 60)).max() <= 4


def test_32_bit_grey_has_no_stated_range(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), dtype=np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(ImageError, match=r"a\.tiff: unreadable: 32-bit grey has no stated range"):
        decode(tmp_path / "a.tiff")


def test_a_tensor_has_planes_in_the_unit_range() -> None:
    pixels = np.array([[[0, 51, 255], [255, 0, 102]]], dtype=np.uint8)
    tensor = image_tensor(pixels)
    assert tensor.dtype == torch.float32
    expected = torch.tensor([[[0, 1]], [[0.2, 0]], [[1, 0.4]]])
    torch.testing.assert_close(tensor, expected, atol=0, rtol=0)
    assert pixels.flags.writeable


def test_read_stays_in_the_root(tmp_path: Path, make_image: MakeImage) -> None:
    root = tmp_path / "root"
    make_image(root / "in.png")
    secret = make_image(tmp_path / "secret.png")
    (root / "inside.png").symlink_to(root / "in.png")
    (root / "outside.png").symlink_to(secret)
    assert read(root, "inside.png").shape == (48, 64, 3)
    for sample_id in ("outside.png", "../secret.png", str(secret)):
        with pytest.raises(ImageError, match=r"\.png: leads out of the manifest's folder"):
            read(root, sample_id)


def test_links_in_a_circle_and_names_too_long_are_errors_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("b.png")
    (tmp_path / "b.png").symlink_to("a.png")
    with pytest.raises(ImageError, match=r"a\.png: missing"):
        read(tmp_path, "a.png")
    with pytest.raises(ImageError, match="x: unreadable: File name too long"):
        read(tmp_path, "x" * 300)


def test_the_root_itself_may_be_a_link(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "far" / "a.png")
    (tmp_path / "near").symlink_to(tmp_path / "far")
    assert read(tmp_path / "near", "a.png").shape == (48, 64, 3)


def test_a_composed_id_finds_a_decomposed_file_name(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / unicodedata.normalize("NFD", "Zoë.png"))
    assert read(tmp_path, unicodedata.normalize("NFC", "Zoë.png")).shape == (48, 64, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_frame_is_exactly_the_one_asked_for(tmp_path: Path, suffix: str) -> None:
    greys = [30, 200, 60, 170, 90, 140, 120]
    video(tmp_path / f"v{suffix}", greys)
    for number, grey in enumerate(greys):
        found = read(tmp_path, f"v{suffix}#frame={number}")
        assert found.shape == (32, 48, 3)
        assert abs(found.mean() - grey) < 8


def test_a_frame_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    video(tmp_path / "v.mp4", [10, 20, 30])
    with pytest.raises(
        ImageError, match=r"v\.mp4: there is no frame 3; there are 3, counted from 0"
    ):
        read(tmp_path, "v.mp4#frame=3")
    with pytest.raises(
        ImageError, match=r"v\.mp4#frame=x: 'x' is no frame number; write #frame=17"
    ):
        read(tmp_path, "v.mp4#frame=x")


def test_a_file_that_is_no_video_says_so(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png: '\.png' is no video; there are \.mp4, \.mov"):
        read(tmp_path, "a.png#frame=0")
    (tmp_path / "v.mp4").write_text("#EXTM3U\n#EXTINF:1,\n/etc/hostname\n")
    with pytest.raises(ImageError, match=r"v\.mp4: unreadable: "):
        read(tmp_path, "v.mp4#frame=0")


def video(path: Path, greys: list[int]) -> None:
    """Write one 48 x 32 frame a grey level; H.264 with B-frames where the container takes it."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4" if path.suffix == ".avi" else "h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for grey in greys:
            pixels = np.full((32, 48, 3), grey, dtype=np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())


def encode(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()
