"""Cards of the detectors that look at pixels as they are."""

from detectors.card import IMAGENET, SYMMETRIC, Card

MESO4 = Card(
    name="meso4",
    title="Meso-4",
    paper="Afchar et al., MesoNet: a Compact Facial Video Forgery Detection Network, WIFS 2018 "
    "(arXiv 1809.00888)",
    year=2018,
    kind="spatial",
    fidelity="base: the paper's network, 27,977 parameters, input 256. Not the paper's: one logit "
    "with binary cross-entropy in place of a sigmoid with squared error, and the optimiser of "
    "the recipe. tiny: the same network at 128 pixels",
    licence="Apache-2.0 (code, written from the paper; there are no weights)",
    pretraining="none",
    fit="gradient",
    own_recipe="deepfakebench-plain",
    code="https://github.com/DariusAf/MesoNet",
)

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
    normalisation=SYMMETRIC,
    fit="gradient",
    own_recipe="deepfakebench-unrotated",
    code="https://github.com/ondyari/FaceForensics",
)

EFFICIENTNET_B4 = Card(
    name="efficientnet-b4",
    title="EfficientNet-B4",
    paper="Tan and Le, EfficientNet, ICML 2019 (arXiv 1905.11946); as a forgery detector: "
    "DeepfakeBench, NeurIPS 2023 (arXiv 2307.01426)",
    year=2019,
    kind="spatial",
    fidelity="base: the paper's network with its AutoAugment ImageNet weights; input 256 as in "
    "DeepfakeBench (380 is the network's own: input_size=380); one logit with binary "
    "cross-entropy, which is the two-way softmax with the difference of its logits. tiny: "
    "timm's test network of the same blocks for CPUs and tests",
    licence="Apache-2.0 (code and weights, timm)",
    pretraining="ImageNet-1k",
    normalisation=IMAGENET,
    fit="gradient",
    own_recipe="deepfakebench",
    code="https://github.com/SCLBD/DeepfakeBench",
)

RESNET50_AUG = Card(
    name="resnet50-aug",
    title="ResNet-50 + blur/JPEG (CNNDetection)",
    paper="Wang et al., CNN-generated images are surprisingly easy to spot... for now, CVPR 2020 "
    "(arXiv 1912.11035)",
    year=2020,
    kind="spatial",
    fidelity="base: the paper's network, ImageNet weights, one logit, binary cross-entropy, 224 "
    "pixels; Gaussian blur and JPEG as in the paper with probability 0.5, in the track common "
    "too, since they make it what it is, or 0.1 (recipe resnet50-aug-weak). Not the paper's: faces "
    "are resized to 224 and not cropped at random from 256, and the learning rate falls by cosine, "
    "not on plateaus. tiny: timm's test network of the same kind for CPUs and tests",
    licence="Apache-2.0 (code, timm); BSD-3-Clause (weights, torchvision)",
    pretraining="ImageNet-1k",
    normalisation=IMAGENET,
    fit="gradient",
    own_recipe="resnet50-aug-own",
    code="https://github.com/peterwang512/CNNDetection",
)

VIT = Card(
    name="vit",
    title="ViT-B/16",
    paper="Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021 (arXiv 2010.11929)",
    year=2021,
    kind="spatial",
    fidelity="base: the paper's ViT-B/16 at 224 pixels with weights of ImageNet-21k tuned on "
    "ImageNet-1k (Steiner et al., arXiv 2106.10270), fine-tuned whole; one logit with binary "
    "cross-entropy. tiny: timm's test network of the same blocks for CPUs and tests",
    licence="Apache-2.0 (code and weights, timm)",
    pretraining="ImageNet-21k, ImageNet-1k",
    normalisation=SYMMETRIC,
    fit="gradient",
    code="https://github.com/google-research/vision_transformer",
)

SBI = Card(
    name="sbi",
    title="SBI",
    paper="Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images, CVPR 2022 "
    "(arXiv 2204.08376)",
    year=2022,
    kind="spatial",
    fidelity="the paper's idea and its steps (change of colour and frequency in source or target, "
    "shift and scale, deformed soft mask, blend ratios), EfficientNet-B4. Not the paper's: masks "
    "are deformed ellipses or polygons in the face crop, since there are no landmarks; colours "
    "change without hue; no JPEG after blending; AutoAugment weights, not AdvProp's; 256 pixels "
    "(input_size=380 is the paper's); the optimiser of the recipe, not SAM. Which weights are kept "
    "is decided on validation forgeries. tiny: timm's test network for CPUs and tests",
    licence="Apache-2.0 (code, written from the paper, and weights, timm)",
    pretraining="ImageNet-1k",
    normalisation=f"its backbone's; EfficientNet-B4: {IMAGENET}",
    fit="gradient",
    own_recipe="sbi-own",
    learns_from="reals",
    code="https://github.com/mapooon/SelfBlendedImages",
)

MULTITASK = Card(
    name="multitask",
    title="Multi-task (MFCLIP's encoder)",
    paper="ForgeryBench's own: a control of MFCLIP (Zhang et al., IEEE TIFS 2025)",
    year=2025,
    kind="spatial",
    fidelity="its own definition: MFCLIP's vision encoder and head, and linear layers with "
    "cross-entropy for forgery, family and generator where MFCLIP has prompts",
    licence="Apache-2.0 (code)",
    pretraining="none",
    normalisation=f"{SYMMETRIC}; the noise in grey levels",
    fit="gradient",
    needs=frozenset({"taxa"}),
)

MULTITASK_BACKBONE = Card(
    name="multitask-backbone",
    title="Multi-task (backbone)",
    paper="ForgeryBench's own: a control of MFCLIP (Zhang et al., IEEE TIFS 2025)",
    year=2025,
    kind="spatial",
    fidelity="its own definition: a published backbone (ViT-B/16 unless told otherwise) with one "
    "logit, and linear layers with cross-entropy for forgery, family and generator. tiny: a narrow "
    "network of the same kind for CPUs and tests",
    licence="Apache-2.0 (code and weights, timm)",
    pretraining="ImageNet-21k, ImageNet-1k (ViT-B/16)",
    normalisation=f"its backbone's; ViT-B/16: {SYMMETRIC}",
    fit="gradient",
    needs=frozenset({"taxa"}),
)

DETECTORS = {
    "detectors.meso:Meso4": MESO4,
    "detectors.xception:Xception": XCEPTION,
    "detectors.efficientnet:EfficientNetB4": EFFICIENTNET_B4,
    "detectors.resnet_aug:ResNetAug": RESNET50_AUG,
    "detectors.vit:ViT": VIT,
    "detectors.sbi:SBI": SBI,
    "detectors.multitask:Multitask": MULTITASK,
    "detectors.multitask:MultitaskBackbone": MULTITASK_BACKBONE,
}
