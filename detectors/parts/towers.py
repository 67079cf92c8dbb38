"""Detectors on the image tower of a CLIP: what they take, and what decides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Unpack

from torch import Tensor, nn

from detectors.base import Sides
from detectors.errors import DetectorError
from detectors.loading import check_fit
from detectors.parts.clip import ClipImage, Tuning, clip_folder, origin_of
from detectors.parts.network import AnySideOptions, NetworkDetector, in_float32
from detectors.pretrained import KeyMap, read_weights, renamed

CLIP_L14 = "openai/clip-vit-large-patch14"
ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
_BASE_TOWER = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "projection_dim": 768,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
}
# Twice the spread of CLIP's initialisation: the embeddings of an untrained tower then vary by about
# 1 from image to image, where a linear layer learns at common rates.
_TINY_TOWER = {
    "hidden_size": 96,
    "intermediate_size": 192,
    "projection_dim": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 128,
    "patch_size": 16,
    "initializer_factor": 2.0,
}


class TowerOptions(AnySideOptions, total=False):
    """What a ``TowerDetector`` takes, for constructors that pass it on."""

    tower: Mapping[str, Any] | None


class TowerDetector(NetworkDetector):
    """A detector on the image tower of a CLIP; a subclass says what is tuned and what decides.

    ``tiny`` is a small random tower (input 128), ``base`` CLIP ViT-L/14 (input 224). Positions are
    interpolated when the input has another size than the tower was trained at. A tower that
    ``pretrained`` names, in transformers' layout, is taken as it is, whatever its own size. Some
    read the whole detector too, as its authors trained it.

    Args:
        tower: Fields of ``CLIPVisionConfig`` for a random tower; by default the size's.
        shared: As ``AnySideDetector``; the side is at least one patch.

    Attributes:
        tuning: What of the tower is trained.
        image: The tower. A frozen one stays in evaluation mode even while the detector trains.
        clip: Folder of the CLIP that it was taken from, if any.
        checkpoint: What the whole detector is to be read from, if anything.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: A tower is described although one is to be loaded.
    """

    sides = Sides(tiny=128, base=224)
    published = CLIP_L14
    tuning: ClassVar[Tuning] = "frozen"

    def __init__(
        self, *, tower: Mapping[str, Any] | None = None, **shared: Unpack[AnySideOptions]
    ) -> None:
        super().__init__(**shared)
        name, side = self.card.name, self.transform.size
        start = self.start
        self.checkpoint = start if start is not None and self.is_trained(start) else None
        clip = start if self.checkpoint is None else None
        if clip is not None and tower is not None:
            raise DetectorError(
                f"{name}: tower describes a random tower; leave it out or pass pretrained=False"
            )
        self.clip = None if clip is None else clip_folder(clip, name)
        random = dict(tower or (_TINY_TOWER if self.size == "tiny" else _BASE_TOWER))
        encoder = random if self.clip is None else str(self.clip)
        self.image = ClipImage(encoder, size=side, tuning=self.tuning)
        self.init = origin_of([self.image.origin])
        config: Any = self.image.tower.config
        patch: int = config.patch_size
        if side < patch:
            raise DetectorError(f"{name}: input_size {side} is less than one patch ({patch})")

    def is_trained(self, source: str) -> bool:
        """Say whether ``source`` is the whole detector in its authors' names, and no CLIP."""
        return False

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) image embedding; d is 768 for base and 96 for tiny."""
        embedding: Tensor = self.image(inputs)
        return embedding

    def towers(self) -> dict[str, list[list[nn.Parameter]]]:
        """Give the layers of the tower."""
        return {"image": self.image.layers()}

    def architecture(self) -> dict[str, Any]:
        """Describe the tower, so that it is rebuilt without fetching the weights it had."""
        return {**super().architecture(), "tower": self.image.config}


class LinearTowerDetector(TowerDetector):
    """A tower and one linear layer on its embedding, by default by binary cross-entropy."""

    def __init__(self, **shared: Unpack[TowerOptions]) -> None:
        super().__init__(**shared)
        self.head = nn.Linear(self.image.outputs, 1)


class PooledTowerDetector(TowerDetector):
    """A tower and a layer of two outputs, real and fake, on the class token that CLIP projects.

    The logit is their difference, whose binary cross-entropy is the two-way cross-entropy.

    Attributes:
        names: Of a checkpoint of its authors, which may be a file of their training code.
    """

    names: ClassVar[KeyMap]

    def __init__(self, **shared: Unpack[TowerOptions]) -> None:
        super().__init__(**shared)
        self.image.tower.visual_projection.requires_grad_(False)  # not used
        self.head = nn.Linear(self.image.tower.config.hidden_size, 2)

    def is_trained(self, source: str) -> bool:
        """Say whether ``source`` is a local file: a CLIP is a folder or a Hub repository."""
        return Path(source).is_file()

    def take_checkpoint(self) -> None:
        """Fill all from ``checkpoint``, if there is one; for when all layers are there.

        Raises:
            WeightsError: It cannot be read, or its tensors are not the detector's, each named.
        """
        if self.checkpoint is None:
            return
        tensors, digest = read_weights(self.checkpoint, self.card.name)
        is_whole = self.last_layer == "keep"
        unused = ("trained", "image.tower.visual_projection.", *(() if is_whole else ("head.",)))
        ours, wanted = (
            {name: t for name, t in some.items() if not name.startswith(unused)}
            for some in (renamed(tensors, self.names), self.state_dict())
        )
        check_fit(ours, wanted, self.checkpoint)
        self.load_state_dict(ours, strict=False)
        nn.init.zeros_(self.image.tower.visual_projection.weight)
        self.init = f"weights:{digest}"
        if is_whole:
            self.mark_trained()

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) class token; d is 1024 for base and 96 for tiny."""
        return self.image.pooled(inputs)

    def decide(self, features: Tensor) -> Tensor:
        """Give (B,) float32 logits of (B, d) features."""
        outputs = in_float32(self.deciding_layer(), features)  # (B, 2)
        return outputs[:, 1] - outputs[:, 0]
