"""Pretrained CLIP towers, loaded strictly."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import torch

from detectors.errors import DetectorError
from detectors.loading import load_strictly

if TYPE_CHECKING:
    from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection

SCRATCH = "scratch"
Tuning = Literal["full", "frozen", "lora", "layernorm"]
LORA_RANK = 8
# A checkpoint of the whole CLIP holds, beside one tower, the other and the temperature; older ones
# also hold the numbers of the positions.
_OF_VISION = ("vision_model.", "visual_projection.")
_OF_TEXT = ("text_model.", "text_projection.")
_OF_NEITHER = "logit_scale"
_COUNTED = "embeddings.position_ids"


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
