"""Cards of the detectors on pretrained vision and vision-language models."""

from typing import Literal, TypedDict

from detectors.card import Card


class _OnClip(TypedDict):
    """What every detector on CLIP has in common."""

    licence: str
    pretraining: str
    normalisation: str
    definition: Literal["weights"]


_CLIP: _OnClip = {
    "licence": "Apache-2.0 (code); the CLIP weights are MIT",
    "pretraining": "CLIP: 400 million image-text pairs (WIT-400M)",
    "normalisation": "by mean and deviation of CLIP",
    "definition": "weights",
}
_RADFORD = (
    "Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML "
    "2021 (arXiv 2103.00020)"
)
# The towers of CLIP ViT-B/16, for random ones.
_IMAGE_B16 = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "projection_dim": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 16,
}
_TEXT_B16 = {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "projection_dim": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "vocab_size": 49_408,
}
_TINY = "tiny: a small tower of random weights for CPUs and tests, no CLIP at all"

CLIP_LINEAR = Card(
    name="clip-linear",
    title="CLIP-linear (UnivFD)",
    paper="Ojha, Li and Lee, Towards Universal Fake Image Detectors that Generalize Across "
    "Generative Models, CVPR 2023 (arXiv 2302.10174)",
    year=2023,
    kind="foundation",
    fidelity="base: the paper's frozen CLIP ViT-L/14 image embedding (768) and one linear "
    "layer with binary cross-entropy; by default the shorter side is resized to 224 and the centre "
    "taken, where the paper crops 224 (from 256 in training: crop=resize, there at random places; "
    "from native pixels in validation: crop=centre). The published last layer is read (head=file). "
    + _TINY,
    fit="gradient",
    own_recipe="clip-linear-own",
    **_CLIP,
    code="https://github.com/WisconsinAIVision/UniversalFakeDetect",
)

CLIP_ZEROSHOT = Card(
    name="clip-zeroshot",
    title="CLIP zero-shot",
    paper=_RADFORD,
    year=2021,
    kind="vision-language",
    fidelity="CLIP's own zero-shot classification (the texts of a class are averaged) between a "
    "real and a fake face, nothing trained; the two-way softmax is one logit, the difference. "
    "base: CLIP ViT-L/14. tiny: a small tower and texts of random weights, whose scores mean "
    "nothing",
    fit="none",
    **_CLIP,
    code="https://github.com/openai/CLIP",
)

CLIP_LORA = Card(
    name="clip-lora",
    title="CLIP with LoRA",
    paper="Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022 (arXiv "
    "2106.09685), on the image tower of CLIP",
    year=2022,
    kind="foundation",
    fidelity="LoRA as published, by peft; ForgeryBench's own use of it: rank 8 on queries and "
    "values of CLIP ViT-L/14 and one linear layer on its embedding. " + _TINY,
    fit="gradient",
    **_CLIP,
    code="https://github.com/microsoft/LoRA",
)

C2P_CLIP = Card(
    name="c2p-clip",
    title="C2P-CLIP",
    paper="Tan et al., C2P-CLIP: Injecting Category Common Prompt in CLIP to Enhance "
    "Generalization in Deepfake Detection, AAAI 2025 (arXiv 2408.09647)",
    year=2025,
    kind="vision-language",
    fidelity="the paper's parts: frozen text tower, LoRA on the image tower of CLIP ViT-L/14, a "
    "category's common prompt in the text of every image of it, a contrast of image and text "
    "beside the binary cross-entropy of one linear layer on the embedding of norm 1, which alone "
    "scores. Not the paper's: one caption for all images (it writes one for each with ClipCap), "
    "so the contrast is between two texts; rank 6 on queries, keys and values and the weight of "
    "the contrast are set here, since no training code was published. The published checkpoint is "
    "not read: LoRA is merged into its tower and there are no texts to train on with. " + _TINY,
    fit="gradient",
    **_CLIP,
    code="https://github.com/chuangchuangtan/C2P-CLIP-DeepfakeDetection",
)

GEND = Card(
    name="gend",
    title="GenD",
    paper="Yermakov et al., Deepfake Detection that Generalizes Across Benchmarks, WACV 2026 "
    "(arXiv 2508.06248)",
    year=2026,
    kind="foundation",
    fidelity="the paper's tuning of the layer norms of CLIP ViT-L/14 alone, class token of norm 1, "
    "linear layer of two outputs (the logit is their difference), cross-entropy + 0.1 alignment "
    "within a class + 0.5 uniformity. Paired here means balanced batches, half real and half "
    "forged; the paper's pairs, the real video that a fake was made from in the same training "
    "set, are the data's to have. Augmentation is the recipe's. The published checkpoint on CLIP "
    "is read tensor for tensor; those on PE and DINOv3 are other networks, not here. " + _TINY,
    fit="gradient",
    own_recipe="gend-own",
    batches="balanced",
    **_CLIP,
    code="https://github.com/yermandy/GenD",
)

EFFORT = Card(
    name="effort",
    title="Effort",
    paper="Yan et al., Orthogonal Subspace Decomposition for Generalizable AI-Generated Image "
    "Detection, ICML 2025 (arXiv 2411.15633)",
    year=2025,
    kind="foundation",
    fidelity="base: the paper's CLIP ViT-L/14 with every linear layer of self-attention split by "
    "singular values into a frozen part of rank 1023 and a trainable one of rank 1 (196,704 "
    "parameters), and a layer of two outputs on the class token (2,050; the logit is their "
    "difference). As in the public code, no loss keeps the parts orthogonal: cross-entropy alone. "
    "Augmentation is the recipe's. Checkpoints of that code are read tensor for tensor. " + _TINY,
    fit="gradient",
    own_recipe="effort-own",
    **_CLIP,
    code="https://github.com/YZY-stack/Effort-AIGI-Detection",
)

CLIP_FINETUNE = Card(
    name="clip-finetune",
    title="CLIP fine-tuned",
    paper=f"after {_RADFORD}; sample pair attention: Zhang et al., IEEE TIFS 20, 2025",
    year=2021,
    kind="vision-language",
    fidelity="CLIP's two towers and temperature; ForgeryBench's own contrast with one text a class "
    "of images, whose other images are no negatives. base: CLIP ViT-B/16. tiny: small towers of "
    "random weights for CPUs and tests, no CLIP at all",
    fit="gradient",
    needs=frozenset({"prompts"}),
    random_base={"image_encoder": _IMAGE_B16, "text_encoder": _TEXT_B16},
    **_CLIP,
)

CLIP_CLASSES = Card(
    name="clip-classes",
    title="CLIP with learned classes",
    paper=f"a control after {_RADFORD}",
    year=2021,
    kind="vision-language",
    fidelity="ForgeryBench's own control of clip-finetune: the same image tower, contrast and "
    "classes, but a free vector in place of each class's text. base: CLIP ViT-B/16. " + _TINY,
    fit="gradient",
    needs=frozenset({"prompts"}),
    random_base={"image_encoder": _IMAGE_B16},
    **_CLIP,
)

PROBE = Card(
    name="probe",
    title="Linear probe",
    paper="ForgeryBench's own; the default network: Oquab et al., DINOv2, TMLR 2024 (arXiv "
    "2304.07193)",
    year=2024,
    kind="foundation",
    fidelity="one linear layer with binary cross-entropy on the pooled features of a frozen "
    "network, which the option backbone names. base: DINOv2 ViT-L/14 at 224 pixels. tiny: timm's "
    "test network from random weights",
    licence="Apache-2.0 (code and DINOv2's weights; other backbones have their own)",
    pretraining="the backbone's own; DINOv2: LVD-142M",
    normalisation="its backbone's",
    fit="gradient",
    image_gradient=False,
    definition="weights",
)

# Not in the catalog: it is named with its checkpoint, hf:owner/name.
HUGGINGFACE = Card(
    name="huggingface",
    title="Hugging Face checkpoint",
    paper="whatever the checkpoint is: see its page on the Hub",
    year=2026,
    kind="foundation",
    fidelity="the checkpoint's network and weights; images are resized by the shorter side, "
    "anti-aliased and bilinear, and the centre is taken, which may differ from its own processor; "
    "outputs are summed into one logit as the option labels says",
    licence="the checkpoint's",
    pretraining="the checkpoint's",
    normalisation="the checkpoint's",
    fit="none",
    definition="weights",
)

DETECTORS = {
    "detectors.c2p_clip:C2PClip": C2P_CLIP,
    "detectors.clip_classes:ClipClasses": CLIP_CLASSES,
    "detectors.clip_finetune:ClipFinetune": CLIP_FINETUNE,
    "detectors.clip_linear:ClipLinear": CLIP_LINEAR,
    "detectors.clip_lora:ClipLora": CLIP_LORA,
    "detectors.clip_zeroshot:ClipZeroshot": CLIP_ZEROSHOT,
    "detectors.effort:Effort": EFFORT,
    "detectors.gend:GenD": GEND,
    "detectors.probe:Probe": PROBE,
}
