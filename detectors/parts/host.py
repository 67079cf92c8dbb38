"""Numbers that the host draws, brought to where they are needed."""

import torch
from torch import Tensor


def moved(values: Tensor, device: torch.device) -> Tensor:
    """Bring ``values`` from the host to ``device``; the host does not wait until they are there."""
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
