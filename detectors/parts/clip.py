"""The two towers of a CLIP: loaded strictly, and trained whole, in part or not at all."""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast, get_args

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.errors import DetectorError, WeightsError
from detectors.loading import load_strictly, read_json
from detectors.parts.frozen import once
from detectors.pretrained import tensor_files, weights_folder

if TYPE_CHECKING:
    from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection

SCRATCH = "scratch"
Tuning = Literal["full", "frozen", "lora", "layernorm"]
LORA_RANK = 8
# The factor on cosines, 1 / temperature, where CLIP starts to train it; and the most that its
# logarithm may become.
FIRST_SCALE = 1 / 0.07
MAX_LOGIT_SCALE = math.log(100)
# A checkpoint of the whole CLIP holds, beside one tower, the other and the temperature; older ones
# also hold the numbers of the positions.
_OF_VISION = ("vision_model.", "visual_projection.")
_OF_TEXT = ("text_model.", "text_projection.")
_OF_NEITHER = "logit_scale"
_COUNTED = "embeddings.position_ids"


class ClipTower(nn.Module):
    """What both towers of a CLIP have in common.

    Attributes:
        config: The configuration that a random one like it is built from.
        origin: Hash of the weights it was loaded with; None for random ones.
        frozen: It stays in evaluation mode even while the detector trains.
    """

    def __init__(self, tower: Any, source: str | dict[str, Any], tuning: Tuning) -> None:
        """Set what of ``tower``, which came from ``source``, is trained."""
        super().__init__()
        self.config: dict[str, Any] = tower.config.to_diff_dict()
        self.origin = hash_of([tower]) if isinstance(source, str) else None
        self.frozen = tuning == "frozen"
        tuned(tower, tuning)

    def layers(self) -> list[list[nn.Parameter]]:
        """Give its parameters, from the input to the projection."""
        number = re.compile(r"\.layers\.([0-9]+)\.")
        count = sum(1 for name, _ in self.named_modules() if re.search(r"\.layers\.[0-9]+$", name))
        found: list[list[nn.Parameter]] = [[] for _ in range(count + 2)]
        for name, parameter in self.named_parameters():
            if inside := number.search(name):
                found[1 + int(inside[1])].append(parameter)
            else:
                first = "embeddings" in name or "pre_layrnorm" in name
                found[0 if first else -1].append(parameter)
        return found

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen tower stays in evaluation mode."""
        return super().train(mode and not self.frozen)


class ClipImage(ClipTower):
    """The vision tower of a CLIP with its projection, at any input size."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, source: str | dict[str, Any], *, size: int, tuning: Tuning = "full") -> None:
        tower = vision_tower(source)
        super().__init__(tower, source, tuning)
        self.tower = tower
        self.outputs: int = tower.config.projection_dim
        self.size, self.native = size, size == tower.config.image_size
        mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Encode (B, 3, S, S) RGB in [0, 1] as (B, outputs)."""
        return self.tower.visual_projection(self.pooled(images))  # type: ignore[no-any-return]

    def pooled(self, images: Tensor) -> Tensor:
        """Encode as the (B, width) class token that the projection reads.

        Of a frozen tower, from what ``frozen_features`` keeps.
        """
        if not self.frozen:
            return self._pooled(images)
        width = self.tower.config.hidden_size
        return once(self.tower, f"pooled {self.config}", images, self._pooled, width=width)

    def _pooled(self, images: Tensor) -> Tensor:
        pixels = (images - self.mean) / self.deviation
        seen = self.tower.vision_model(
            pixel_values=pixels, interpolate_pos_encoding=not self.native
        )
        return seen.pooler_output  # type: ignore[no-any-return]


class ClipText(ClipTower):
    """The text tower of a CLIP, and its projection beside it."""

    def __init__(self, source: str | dict[str, Any], *, tuning: Tuning = "full") -> None:
        tower = text_tower(source)
        super().__init__(tower, source, tuning)
        self.text_model = tower.text_model
        self.project = tower.text_projection

    def forward(self, ids: Tensor) -> Tensor:
        """Read (N, L) token ids; give (N, L, width), not yet projected."""
        return self.text_model(input_ids=ids).last_hidden_state  # type: ignore[no-any-return]


def vision_tower(source: str | dict[str, Any]) -> "CLIPVisionModelWithProjection":
    """Get CLIP's vision tower: published weights, or random ones for a configuration.

    Args:
        source: A Hub name, a local folder, or a ``CLIPVisionConfig`` as a dict.

    Raises:
        WeightsError: There are no such weights, or they do not fill the tower.
        DetectorError: There is no such configuration.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    if isinstance(source, dict):
        return CLIPVisionModelWithProjection(_config(CLIPVisionConfig, source))
    tower = _loaded(CLIPVisionModelWithProjection, source, other=_OF_TEXT)
    return cast("CLIPVisionModelWithProjection", tower)


def text_tower(source: str | dict[str, Any]) -> "CLIPTextModelWithProjection":
    """Get CLIP's text tower; as ``vision_tower``, from a ``CLIPTextConfig``."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    if isinstance(source, dict):
        return CLIPTextModelWithProjection(_config(CLIPTextConfig, source))
    tower = _loaded(CLIPTextModelWithProjection, source, other=_OF_VISION)
    return cast("CLIPTextModelWithProjection", tower)


def tuned(tower: Any, tuning: Tuning) -> Any:
    """Set what of a CLIP ``tower`` is trained.

    Args:
        tower: Changed in place.
        tuning: ``full``: all of it; ``frozen``: nothing; ``layernorm``: its layer norms; ``lora``:
            low-rank additions (Hu et al. 2021; rank 8, alpha 16) to queries and values.

    Raises:
        DetectorError: There is no such tuning.
    """
    if tuning not in get_args(Tuning):
        raise DetectorError(f"a tower's tuning is {', '.join(get_args(Tuning))}, not '{tuning}'")
    if tuning == "full":
        return tower
    tower.requires_grad_(False)
    if tuning == "layernorm":
        for module in tower.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.requires_grad_(True)
    if tuning == "lora":
        return with_lora(tower, rank=LORA_RANK, layers=("q_proj", "v_proj"))
    return tower


def with_lora(tower: Any, *, rank: int, layers: Sequence[str], alpha: int | None = None) -> Any:
    """Freeze ``tower`` and add what is trained: low-rank additions to its linear layers.

    Args:
        tower: Changed in place.
        rank: Rank of the additions.
        layers: How the names of the linear layers end.
        alpha: An addition is scaled by alpha / rank; None is twice the rank.

    Raises:
        DetectorError: The rank is below 1.

    Source: Hu et al., LoRA, ICLR 2022 (arXiv 2106.09685).
    """
    from peft import LoraConfig, inject_adapter_in_model

    if rank < 1:
        raise DetectorError(f"the rank of a low-rank addition is 1 or more, not {rank}")
    scale = 2 * rank if alpha is None else alpha
    config = LoraConfig(r=rank, lora_alpha=scale, target_modules=list(layers))
    return inject_adapter_in_model(config, tower)


def hash_of(towers: Iterable[torch.nn.Module]) -> str:
    """Give twelve hexadecimal digits that name the weights of ``towers``."""
    digest = hashlib.sha256()
    for tower in towers:
        for name, tensor in sorted(tower.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def origin_of(hashes: Iterable[str | None]) -> str:
    """Say where the first weights of towers came from, by the hash of each; None for random."""
    known = [each for each in hashes if each is not None]
    if not known:
        return "random"
    return f"clip:{hashlib.sha256(' '.join(known).encode()).hexdigest()[:12]}"


def clip_folder(source: str, detector: str) -> Path:
    """Give the local folder of a CLIP, fetched from the Hub if ``source`` is none.

    Raises:
        WeightsError: The folder holds another kind of model, or no safetensors.
    """
    folder = weights_folder(source, detector)
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in ("clip", "clip_vision_model"):
        raise WeightsError(f"{folder}: config.json says model_type '{kind}', not clip")
    tensor_files(folder)  # says that pickled weights are not read
    return folder


def logit_scale() -> nn.Parameter:
    """Give the logarithm of the factor on cosines, to be trained from where CLIP's own starts."""
    return nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))


def scaled_cosines(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """Give the (B, K) logits between (B, d) images and (K, d) texts: their cosines times ``scale``.

    In float32 whatever the precision around it: 8 bits of a cosine are steps of .4 at scale 100.
    """
    with torch.autocast(images.device.type, enabled=False):
        cosines = F.normalize(images.float(), dim=1) @ F.normalize(texts.float(), dim=1).T
        return scale.float() * cosines


def factor_of(logit_scale: Tensor, limit: float = MAX_LOGIT_SCALE) -> Tensor:
    """Give the factor on cosines of its trained logarithm, which counts up to ``limit``."""
    return logit_scale.float().clamp(max=limit).exp()


def scale_of(source: Path | None) -> float:
    """Give the factor on cosines, 1 / temperature, that a CLIP was trained with.

    Args:
        source: Folder of a CLIP; None gives 1 / 0.07, where its training starts.

    Raises:
        WeightsError: The folder holds no ``logit_scale``: an image tower alone has none.
    """
    if source is None:
        return FIRST_SCALE
    for path in tensor_files(source):
        try:
            with safe_open(path, framework="pt") as file:
                if "logit_scale" in file.keys():  # noqa: SIM118 - no dict
                    return math.exp(float(file.get_tensor("logit_scale")))
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{path}: cannot be read as safetensors ({error})") from error
    raise WeightsError(f"{source}: has no logit_scale: name a whole CLIP, not an image tower alone")


def _config(config_class: Any, fields: Mapping[str, Any]) -> Any:
    """Describe a random tower; transformers itself keeps silent about a field that it has not."""
    from huggingface_hub.errors import StrictDataclassError

    name = config_class.__name__
    if unknown := sorted(fields.keys() - config_class().to_dict().keys()):
        raise DetectorError(f"a tower is described by fields of {name}, not {', '.join(unknown)}")
    try:
        return config_class(**fields)
    except StrictDataclassError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise DetectorError(f"{name} takes no such tower: {reason}") from error


def _loaded(model_class: Any, source: str, *, other: tuple[str, ...]) -> Any:
    """Load a tower from safetensors; ``other`` begins the names that it may leave over."""
    return load_strictly(
        model_class,
        source,
        name=f"CLIP weights '{source}'",
        failed="are no folder and not to be had from the Hub, or cannot be read",
        advice=f"; name a folder, or use '{SCRATCH}'",
        begin=(*other, _OF_NEITHER),
        end=_COUNTED,
    )
