"""Pretrained CLIP towers, loaded strictly."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import torch

from detectors.errors import DetectorError, WeightsError

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
    """
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    if isinstance(source, dict):
        return CLIPVisionModelWithProjection(CLIPVisionConfig(**source))
    tower = _loaded(CLIPVisionModelWithProjection, source, other=_OF_TEXT)
    return cast("CLIPVisionModelWithProjection", tower)


def text_tower(source: str | dict[str, Any]) -> "CLIPTextModelWithProjection":
    """Get CLIP's text tower; as ``vision_tower``, from a ``CLIPTextConfig``."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    if isinstance(source, dict):
        return CLIPTextModelWithProjection(CLIPTextConfig(**source))
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
        from peft import LoraConfig, inject_adapter_in_model

        config = LoraConfig(
            r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules=["q_proj", "v_proj"]
        )
        tower = inject_adapter_in_model(config, tower)
    return tower


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


def _loaded(model_class: Any, source: str, *, other: tuple[str, ...]) -> Any:
    """Load a tower from safetensors; ``other`` begins the names that it may leave over."""
    try:
        model, report = model_class.from_pretrained(
            source, output_loading_info=True, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"CLIP weights '{source}' are no folder and not to be had from the Hub, or cannot be "
            f"read: {reason}; name a folder, or use '{SCRATCH}'"
        ) from error
    over = [
        name
        for name in report["unexpected_keys"]
        if not name.startswith((*other, _OF_NEITHER)) and not name.endswith(_COUNTED)
    ]
    faults = {"missing": report["missing_keys"], "unknown": over}
    for what, names in {**faults, "of another shape": report["mismatched_keys"]}.items():
        if names:
            listed = ", ".join(sorted(map(str, names))[:5])
            raise WeightsError(f"CLIP weights '{source}': {len(names)} tensors {what}: {listed}")
    return model
