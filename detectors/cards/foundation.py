"""Cards of the detectors on pretrained vision and vision-language models."""

from detectors.card import Card

CLIP_LINEAR = Card(
    name="clip-linear",
    title="CLIP-linear (UnivFD)",
    paper="Ojha, Li and Lee, Towards Universal Fake Image Detectors that Generalize Across "
    "Generative Models, CVPR 2023 (arXiv 2302.10174)",
    year=2023,
    kind="foundation",
    fidelity="base: the paper's frozen CLIP ViT-L/14 image embedding (768) and one linear "
    "layer with binary cross-entropy; the shorter side is resized to 224 and the centre "
    "taken, where the paper crops 224 (from 256 in training, from native pixels in testing). "
    "tiny: a small tower of random weights for CPUs and tests, no CLIP at all",
    licence="Apache-2.0 (code); the CLIP weights are MIT",
    pretraining="CLIP: 400 million image-text pairs (WIT-400M)",
    fit="gradient",
)

CLIP_FINETUNE = Card(
    name="clip-finetune",
    title="CLIP fine-tuned",
    paper="after Radford et al., Learning Transferable Visual Models From Natural Language "
    "Supervision, ICML 2021 (arXiv 2103.00020); sample pair attention: Zhang et al., IEEE TIFS 20, "
    "2025",
    year=2021,
    kind="vision-language",
    fidelity="CLIP's two towers and temperature; ForgeryBench's own contrast with one text a class "
    "of images, whose other images are no negatives. base: CLIP ViT-B/16. tiny: small towers of "
    "random weights for CPUs and tests, no CLIP at all",
    licence="Apache-2.0 (code); the CLIP weights are MIT",
    pretraining="CLIP: 400 million image-text pairs (WIT-400M)",
    fit="gradient",
    needs=frozenset({"prompts"}),
)

DETECTORS = {
    "detectors.clip_finetune:ClipFinetune": CLIP_FINETUNE,
    "detectors.clip_linear:ClipLinear": CLIP_LINEAR,
}
