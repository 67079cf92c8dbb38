"""A linear probe: one linear layer on the features of any frozen image network."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import timm
import torch
from torch import Tensor, nn

from detectors.base import Detector, Sides, Size
from detectors.cards import foundation as cards
from detectors.errors import DetectorError, WeightsError
from detectors.loading import build_described, load_strictly, read_json
from detectors.parts.backbones import TINY_SIDE, load_trunk
from detectors.parts.frozen import once
from detectors.parts.network import in_float32, register_statistics
from detectors.pretrained import tensor_files, weights_fingerprint, weights_folder

DINOV2_L14 = "timm/vit_large_patch14_dinov2.lvd142m"
# Heads of other tasks, which a checkpoint may hold beside the network.
_HEADS = ("classifier.", "head.", "cls_classifier.", "distillation_classifier.")
_INTERPOLATE = "interpolate_pos_encoding"
_TINY = {
    "timm": "test_vit",
    "arguments": {"img_size": TINY_SIDE},
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}


class Probe(Detector):
    """Logistic regression by gradient steps on pooled features of a frozen network.

    Args:
        size: ``tiny`` (timm's random test network, input 128) or ``base`` (DINOv2 ViT-L/14).
        backbone: A name that timm knows (``vit_large_patch16_dinov3.lvd1689m``), a Hub repository
            or a local folder in the layout of timm or of transformers: DINOv2 and v3, SigLIP 2,
            PE, ConvNeXt and others. By default the size's.
        pretrained: False for random weights of a network that timm knows; else its published ones.
        input_size: Side of the input in pixels; 128 or 224 by default, whatever the network's own,
            so that probes are of one input. Positions are interpolated.
        taxa: Kinds of training image; kept, not used.
        untrained: Give logits before training too.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: The network takes no such input, or is not known.
    """

    card = cards.PROBE
    sides = Sides(tiny=TINY_SIDE, base=224)
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        size: Size = "base",
        backbone: str | Mapping[str, Any] | None = None,
        pretrained: bool | None = None,
        input_size: int | None = None,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        super().__init__(input_size=input_size, size=size, taxa=taxa, untrained=untrained)
        wanted = backbone or (_TINY if size == "tiny" else DINOV2_L14)
        if not isinstance(wanted, str | Mapping):
            raise DetectorError(
                f"probe: backbone is a name of timm, a Hub repository or a folder, not {wanted!r}"
            )
        if isinstance(wanted, str) and pretrained is False:
            wanted = _of_timm(wanted)
        if isinstance(wanted, str):
            self.network, self.backbone, digest = _loaded(wanted)
            self.init = f"weights:{digest}"
        else:
            self.network, self.backbone = _built(wanted), dict(wanted)
        _resize(self.network, self.transform.size, self.backbone)
        self.network.requires_grad_(False).eval()
        parameters = inspect.signature(self.network.forward).parameters
        self._flags = {_INTERPOLATE: True} if _INTERPOLATE in parameters else {}
        register_statistics(self, self.backbone["mean"], self.backbone["std"])
        self.head = nn.Linear(_width(self.network), 1)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the network, which stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled features, as the network's authors pool them.

        From what ``frozen_features`` keeps.
        """
        kind = f"probe {self.backbone}"
        return once(self.network, kind, inputs, self._pooled, width=self.head.in_features)

    def _pooled(self, inputs: Tensor) -> Tensor:
        """Compute the features."""
        seen: Any = self.network((inputs - self.mean) / self.std, **self._flags)
        if isinstance(seen, Tensor):
            return seen
        pooled = getattr(seen, "pooler_output", None)
        # A class token where nothing is pooled; convolutional networks pool to (B, d, 1, 1).
        found: Tensor = seen.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1)
        return found

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        return in_float32(self.head, self.features(inputs)).squeeze(1)

    def architecture(self) -> dict[str, Any]:
        """Describe the network, so that it is rebuilt with nothing fetched."""
        return {
            "size": self.size,
            "pretrained": False,
            "backbone": self.backbone,
            "input_size": self.transform.size,
        }


def _of_timm(name: str) -> dict[str, Any]:
    """Describe the random network that timm calls ``name``, with or without ``timm/``."""
    try:
        config: Any = timm.get_pretrained_cfg(name.removeprefix("timm/"), allow_unregistered=False)
    except RuntimeError as error:
        raise DetectorError(
            f"probe: only networks of timm are built with random weights, not '{name}': {error}"
        ) from error
    statistics = {"mean": list(config.mean), "std": list(config.std)}
    return {"timm": config.architecture, "arguments": {}, **statistics}


def _built(described: Mapping[str, Any]) -> Any:
    """Build the network that ``described`` says, from random weights."""
    if described.keys() == {"timm", "arguments", "mean", "std"}:
        name, arguments = described["timm"], described["arguments"]
        _refuse_reading(name, arguments)
        try:
            return timm.create_model(name, **arguments | {"num_classes": 0})
        except RuntimeError as error:
            raise DetectorError(f"probe: timm cannot build '{name}': {error}") from error
    if described.keys() != {"transformers", "mean", "std"}:
        raise DetectorError(
            "probe: a described backbone has timm and arguments, or transformers, beside mean and "
            f"std; this one has {', '.join(described)}"
        )
    from transformers import AutoModel

    model = build_described(AutoModel, described["transformers"], name="probe")
    return getattr(model, "vision_model", model)


def _refuse_reading(name: Any, arguments: Any) -> None:
    """Raise DetectorError where timm would read or fetch something to build a described network.

    A name may be that of a repository or folder, and arguments those of weights.
    """
    known = isinstance(name, str) and timm.is_model(name.partition(".")[0]) and ":" not in name
    if not known or not isinstance(arguments, Mapping):
        raise DetectorError(f"probe: a described backbone is a network of timm, not {name!r}")
    reading = set(inspect.signature(timm.create_model).parameters)
    if wrong := sorted(key for key in arguments if key in reading or "pretrained" in key):
        raise DetectorError(
            f"probe: a described backbone has arguments of its network alone, not {wrong[0]!r}"
        )


def _loaded(name: str) -> tuple[Any, dict[str, Any], str]:
    """Load a published network; give it, its description and the fingerprint of its weights."""
    if not Path(name).is_dir() and "/" not in name:
        name = _repository(name)
    folder = weights_folder(name, "probe")
    config = read_json(folder / "config.json")
    digest = weights_fingerprint(tensor_files(folder))
    if "architecture" in config:
        return *_load_timm(folder, config), digest
    if "model_type" in config:
        return *_load_transformers(folder), digest
    raise WeightsError(f"{folder}: config.json is neither timm's nor transformers'")


def _repository(name: str) -> str:
    """Give the Hub repository of the network that timm calls ``name``."""
    try:
        config: Any = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        raise WeightsError(
            f"probe: backbone '{name}' is no folder, no Hub repository (owner/name) and no network "
            f"of timm: {error}"
        ) from error
    if not config.hf_hub_id:
        raise WeightsError(f"probe: timm has no weights of '{name}': name a folder with them")
    return str(config.hf_hub_id)


def _load_timm(folder: Path, config: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Load a network of timm's layout."""
    facts = config.get("pretrained_cfg", config)
    described = {
        "timm": config["architecture"],
        "arguments": config.get("model_args", {}),
        **_statistics(facts.get("mean"), facts.get("std"), folder / "config.json"),
    }
    network = _built(described)
    last = facts.get("classifier") or ()
    heads = (last,) if isinstance(last, str) else tuple(last)
    load_trunk(network, str(folder), "probe", tuple(f"{head}." for head in heads))
    return network, described


def _load_transformers(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Load a network of transformers' layout; of two towers, the image's."""
    from transformers import AutoModel

    path = folder / "preprocessor_config.json"
    facts = read_json(path)
    statistics = _statistics(facts.get("image_mean"), facts.get("image_std"), path)
    model = load_strictly(
        AutoModel,
        folder,
        name=str(folder),
        failed="fits no image network of transformers",
        begin=_HEADS,
    )
    network = getattr(model, "vision_model", model)
    fields = network.config.to_dict()
    return network, {"transformers": fields, **statistics}


def _statistics(mean: Any, std: Any, path: Path) -> dict[str, list[float]]:
    """Check mean and standard deviation per channel, which no network says itself."""
    if not all(isinstance(each, list) and len(each) == 3 for each in (mean, std)):
        raise WeightsError(f"{path}: mean and std of the three channels are not there")
    return {"mean": mean, "std": std}


def _resize(network: Any, side: int, described: Mapping[str, Any]) -> None:
    """Bring the positions of timm's network to ``side``; transformers' interpolate as they run."""
    if not hasattr(network, "set_input_size"):
        return
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", (1, 1))[0]
    if side % patch:
        raise DetectorError(
            f"probe: {described['timm']} takes no input of {side} px: it has patches of {patch} px"
        )
    network.set_input_size((side, side))


def _width(network: Any) -> int:
    """Give d, the number of features."""
    if hasattr(network, "num_features"):
        return int(getattr(network, "head_hidden_size", network.num_features))
    config = network.config
    return int(getattr(config, "hidden_size", None) or config.hidden_sizes[-1])
