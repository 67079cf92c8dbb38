"""Checkpoints of MFCLIP's public release: their names translated, every tensor accounted for."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from detectors.loading import refuse_unfitting
from detectors.pretrained import read_checkpoint

# Published name -> ours, applied in this order.
_NAMES = [
    (r"^module\.", ""),
    (r"^SPA$", "spa.table"),
    (r"^mlp_head\.", "head."),
    (r"^token_embedding\.", "language.tower.tokens."),
    (r"^positional_embedding$", "language.tower.positions"),
    (r"^ln_final\.", "language.tower.norm."),
    (r"^text_projection$", "language.tower.project.weight"),
    (r"^transformer\.resblocks\.", "language.tower.blocks."),
    (r"\.attn\.in_proj_", ".qkv."),
    (r"\.attn\.out_proj\.", ".out."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.mlp\.c_fc\.", ".up."),
    (r"\.mlp\.c_proj\.", ".down."),
    (r"^visual\.SRM\.kernel$", "vision.kernels"),
    (r"^visual\.features\.", "vision.image.cnn."),
    (r"^visual\.features_SRM\.", "vision.noise.cnn."),
    (r"^visual\.patch_to_embedding\.", "vision.image.enter."),
    (r"^visual\.patchsrm_to_embedding\.", "vision.noise.enter."),
    (r"^visual\.cls_token$", "vision.image.cls"),
    (r"^visual\.cls_token_rm$", "vision.noise.cls"),
    (r"^visual\.pos_embedding$", "vision.image.positions"),
    (r"^visual\.pos_embedding_srm$", "vision.noise.positions"),
    (r"^visual\.transformer\.layers\.", "vision.image.blocks."),
    (r"^visual\.transformer_srm\.layers\.", "vision.noise.blocks."),
    (r"\.0\.fn\.norm\.", ".norm1."),
    (r"\.0\.fn\.fn\.to_", "."),
    (r"\.1\.fn\.norm\.", ".norm2."),
    (r"\.1\.fn\.fn\.net\.0\.", ".up."),
    (r"\.1\.fn\.fn\.net\.2\.", ".down."),
]


def own_name(published: str) -> str:
    """Give our name of a tensor of the release."""
    for pattern, ours in _NAMES:
        published = re.sub(pattern, ours, published)
    return published


def read_release(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read a released checkpoint under our names.

    Args:
        path: A file of ``torch.save``: the state dict, or a dict that holds it as ``state_dict``;
            names may begin with ``module.``.
        wanted: The tensors of our network.

    Raises:
        WeightsError: The file cannot be read, or its tensors are not exactly those of ``wanted``.
    """
    return translated(read_checkpoint(path), wanted, str(path))


def translated(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str
) -> dict[str, Tensor]:
    """Bring a released state dict under our names, strictly; ``source`` names it in errors."""
    published = {own_name(name): name for name in state}
    tensors = {ours: state[name] for ours, name in published.items()}
    if (projection := "language.tower.project.weight") in tensors:
        tensors[projection] = tensors[projection].T
    refuse_unfitting(
        source,
        missing=wanted.keys() - tensors.keys(),
        unknown=[published[ours] for ours in tensors.keys() - wanted.keys()],
        reshaped=[
            f"{published[ours]} {tuple(state[published[ours]].shape)}"
            for ours in tensors.keys() & wanted.keys()
            if tensors[ours].shape != wanted[ours].shape
        ],
    )
    return tensors
