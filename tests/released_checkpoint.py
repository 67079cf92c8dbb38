"""A checkpoint with the names and shapes of the released MFCLIP, drawn at random."""

import torch
from torch import Tensor

from detectors.mfclip.release import RELEASE_SHAPES, ReleaseShape
from detectors.parts.filters import srm_kernels

Tensors = dict[str, Tensor]


def published_shapes(shape: ReleaseShape) -> dict[str, tuple[int, ...]]:
    """Give the names and shapes of a released checkpoint."""
    w, side = shape.width, shape.input_size
    shapes: dict[str, tuple[int, ...]] = {
        "SPA": (24, 24),
        "logit_scale": (),
        "positional_embedding": (308, w),
        "text_projection": (w, w),
        "token_embedding.weight": (49_408, w),
        "visual.SRM.kernel": (3, 3, 5, 5),
        "mlp_head.1.weight": (2, w),
        "mlp_head.1.bias": (2,),
    }
    shapes |= _linear("predictor", w, w) | _norm("mlp_head.0", w) | _norm("ln_final", w)
    for i in range(shape.text_layers):
        block = f"transformer.resblocks.{i}"
        shapes |= {
            f"{block}.attn.in_proj_weight": (3 * w, w),
            f"{block}.attn.in_proj_bias": (3 * w,),
        }
        shapes |= _linear(f"{block}.attn.out_proj", w, w) | _norm(f"{block}.ln_1", w)
        shapes |= _linear(f"{block}.mlp.c_fc", 4 * w, w) | _linear(f"{block}.mlp.c_proj", w, 4 * w)
        shapes |= _norm(f"{block}.ln_2", w)
    image, noise = (shape.image_stages, side), (shape.noise_stages, side // 2)
    branches = (
        ("features", "patch", "", "", *image, shape.image_layers),
        ("features_SRM", "patchsrm", "_srm", "_rm", *noise, shape.noise_layers),
    )
    for cnn, enter, suffix, cls, stages, pixels, layers in branches:
        shapes |= _cnn(f"visual.{cnn}", stages)
        flat = stages[-1][0] * (pixels >> len(stages)) ** 2
        shapes |= _linear(f"visual.{enter}_to_embedding", w, flat)
        shapes |= {f"visual.pos_embedding{suffix}": (24, 1, w), f"visual.cls_token{cls}": (1, 1, w)}
        for i in range(layers):
            first, second = (f"visual.transformer{suffix}.layers.{i}.{j}.fn" for j in (0, 1))
            shapes |= {f"{first}.fn.to_qkv.weight": (3 * w, w)}
            shapes |= _norm(f"{first}.norm", w) | _linear(f"{first}.fn.to_out", w, w)
            shapes |= _norm(f"{second}.norm", w) | _linear(f"{second}.fn.net.0", 4 * w, w)
            shapes |= _linear(f"{second}.fn.net.2", w, 4 * w)
    return shapes


def _linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _cnn(name: str, stages: tuple[tuple[int, int], ...]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    place, inputs = 0, 3
    for width, convolutions in stages:
        for _ in range(convolutions):
            shapes |= {
                f"{name}.{place}.weight": (width, inputs, 3, 3),
                f"{name}.{place}.bias": (width,),
            }
            norm = f"{name}.{place + 1}"
            shapes |= _norm(norm, width) | {f"{norm}.num_batches_tracked": ()}
            shapes |= {f"{norm}.running_mean": (width,), f"{norm}.running_var": (width,)}
            place, inputs = place + 3, width
        place += 1
    return shapes


def published_tensors() -> Tensors:
    """Draw a checkpoint of the size tiny."""
    generator = torch.Generator().manual_seed(0)
    tensors: Tensors = {}
    for name, size in published_shapes(RELEASE_SHAPES["tiny"]).items():
        fan = size[-1] if len(size) == 2 else 9 * size[1] if len(size) == 4 else 1
        tensors[name] = torch.randn(size, generator=generator) * fan**-0.5
        if name.endswith(("running_var", "norm.weight")):
            tensors[name] = tensors[name].abs() + 0.5
    tensors["visual.SRM.kernel"] = srm_kernels()
    tensors["logit_scale"] = torch.tensor(2.0)
    return tensors
