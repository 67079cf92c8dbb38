"""Cards of the detectors that look at pixels as they are."""

from detectors.card import Card

XCEPTION = Card(
    name="xception",
    title="Xception",
    paper="Chollet, CVPR 2017; as a forgery detector: Roessler et al., FaceForensics++, "
    "ICCV 2019 (arXiv 1901.08971)",
    year=2019,
    kind="spatial",
    fidelity="base: the network and ImageNet weights of the paper; input 256 as in "
    "DeepfakeBench (299 in the original); one logit with binary cross-entropy, which is the "
    "two-way softmax with the difference of its logits. tiny: a narrow network of the same "
    "blocks for CPUs and tests; its numbers say nothing of the paper's",
    licence="Apache-2.0 (code and weights, timm)",
    pretraining="ImageNet-1k",
    fit="gradient",
)

DETECTORS = {
    "detectors.xception:Xception": XCEPTION,
}
