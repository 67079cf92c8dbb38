"""Cards of the detectors of spectra, noise and patches."""

from detectors.card import IMAGENET, SYMMETRIC, Card

SPECTRUM = Card(
    name="spectrum",
    title="Spectrum",
    paper="after Durall et al., Unmasking DeepFakes with simple Features, 2019 (arXiv 1911.00686)",
    year=2019,
    kind="frequency",
    fidelity="the paper's idea (azimuthal mean of the log spectrum, logistic regression); not "
    "the paper's: integer radii without interpolation to 300 bins, standardised features, "
    "balanced class weights, whole face crops instead of inner faces",
    licence="Apache-2.0 (code; there are no weights)",
    pretraining="none",
    fit="estimator",
    code="https://github.com/cc-hpc-itwm/DeepFakeDetection",
)

SPSL = Card(
    name="spsl",
    title="SPSL",
    paper="Liu et al., Spatial-Phase Shallow Learning: Rethinking Face Forgery Detection in "
    "Frequency Domain, CVPR 2021 (arXiv 2103.01856)",
    year=2021,
    kind="frequency",
    fidelity="base: the paper's idea, phase-only inverse DFT of the grey image as a fourth channel "
    "of an Xception with fewer layers, binary cross-entropy. Not the paper's, or not known to be: "
    "the eight middle-flow blocks are the ones left out, as in DeepfakeBench's shallow Xception "
    "(7.9 M parameters); depth=full keeps them, as DeepfakeBench's SPSL does (20.8 M, published "
    "as 21 M), and reads its checkpoints, two logits as their difference; input 256; the phase "
    "image is scaled to mean square 1, in public code it is 1/256 of that; each image is "
    "transformed on its own, where DeepfakeBench transforms along the batch too. tiny: a narrow "
    "network of the same parts for CPUs and tests",
    licence="Apache-2.0 (code and ImageNet weights, timm); written from the paper",
    pretraining="ImageNet-1k",
    normalisation=SYMMETRIC,
    fit="gradient",
    own_recipe="deepfakebench",
)

NPR = Card(
    name="npr",
    title="NPR",
    paper="Tan et al., Rethinking the Up-Sampling Operations in CNN-based Generative Network for "
    "Generalizable Deepfake Detection, CVPR 2024 (arXiv 2312.10461)",
    year=2024,
    kind="frequency",
    fidelity="base: the network of the paper's public code (1,437,761 parameters there and here), "
    "residual times 2/3, one logit, binary cross-entropy, from random weights; its checkpoints are "
    "read one for one. Input 256, of an even side. Whether images are resized first differs from "
    "one test set to the next in that code and changes what is measured: the option resize says it "
    "(resize by default; no_resize crops the image's own pixels). Training there crops 224 at "
    "random. tiny: a narrow network of the same stages for CPUs and tests",
    licence="Apache-2.0; written from the paper, the public code has no licence",
    pretraining="none",
    normalisation=IMAGENET,
    fit="gradient",
    own_recipe="npr-own",
    code="https://github.com/chuangchuangtan/NPR-DeepfakeDetection",
)

PATCHCRAFT = Card(
    name="patchcraft",
    title="PatchCraft",
    paper="Zhong et al., PatchCraft: Exploring Texture Patch for Efficient AI-generated Image "
    "Detection, 2023 (arXiv 2311.12397)",
    year=2023,
    kind="frequency",
    fidelity="base: the paper's way: 192 patches of 32 px, the third of most and the third of "
    "least texture laid out as 8 x 8, the 30 filters of the spatial rich model, a learned "
    "convolution with batch normalisation and hard tanh, the difference of both, blocks of 4, 2, 2 "
    "and 2 convolutions with average pooling, binary cross-entropy. Not known to be the paper's: "
    "32 channels (the count is not published; 101,889 here) and the filters' mean over the colours "
    "in units of 0..255. Not the paper's: patches come from the 256 px input, and in scoring from "
    "192 fixed places, so that a score repeats. tiny: fewer, smaller patches and channels for CPUs "
    "and tests",
    licence="Apache-2.0; written from the paper",
    pretraining="none",
    normalisation="to grey levels, [0, 255]",
    fit="gradient",
)

SSP = Card(
    name="ssp",
    title="SSP",
    paper="Chen, Yao and Niu, A Single Simple Patch is All You Need for AI-generated Image "
    "Detection, 2024 (arXiv 2402.01123)",
    year=2024,
    kind="frequency",
    fidelity="base: the paper's SSP: 64 patches of 32 px, the one of least texture, enlarged to "
    "256, three filters of the spatial rich model truncated at 3, ResNet-50 with ImageNet weights, "
    "one logit, binary cross-entropy (23.5 M parameters); the filters see normalised values, where "
    "the truncation hardly acts, as in the public code. Not the paper's: 1 means fake, there real; "
    "patches come from the 256 px input, in scoring from 64 fixed places, so that a score repeats. "
    "The paper's second model, which restores blurred and compressed patches first (ESSP), is not "
    "here. tiny: timm's test network on patches enlarged to 64, for CPUs and tests",
    licence="Apache-2.0; written from the paper; BSD-3-Clause (ImageNet weights, torchvision)",
    pretraining="ImageNet-1k",
    normalisation=IMAGENET,
    fit="gradient",
    own_recipe="ssp-own",
    code="https://github.com/bcmi/SSP-AI-Generated-Image-Detection",
)

F3NET = Card(
    name="f3net",
    title="F3-Net",
    paper="Qian et al., Thinking in Frequency: Face Forgery Detection by Mining Frequency-aware "
    "Clues, ECCV 2020 (arXiv 2007.09355)",
    year=2020,
    kind="frequency",
    fidelity="base: the paper's three parts: frequency-aware decomposition, local frequency "
    "statistics (windows of 10, stride 2, 6 bands) and MixBlocks after blocks 7 and 12 of two "
    "Xceptions, binary cross-entropy. 48.2 M parameters; the published 22 M are the decomposition "
    "alone, as DeepfakeBench has it (branches=fad: 21.1 M here, without the 1.05 M of a layer "
    "that is never run there). Not the paper's, or not known to be: input 256 instead of 299; "
    "a fourth band of all frequencies, as public code has it; learned filters start at 0; each "
    "frequency is in one band (two diagonals are in two there); log10(1 + x) of window sums; the "
    "MixBlocks' normalisation starts at 0.1; windows begin 3 px outside. tiny: a narrow network of "
    "the same parts for CPUs and tests",
    licence="Apache-2.0 (code and ImageNet weights, timm); written from the paper",
    pretraining="ImageNet-1k",
    normalisation=f"bands {SYMMETRIC}, windows in grey levels",
    fit="gradient",
    own_recipe="deepfakebench-plain",
)

SRM = Card(
    name="srm",
    title="SRM",
    paper="Luo et al., Generalizing Face Forgery Detection with High-frequency Features, "
    "CVPR 2021 (arXiv 2103.12376)",
    year=2021,
    kind="frequency",
    fidelity="base: the paper's parts: two Xceptions with ImageNet weights, fixed filters of the "
    "spatial rich model on the image and on both stem maps, attention guided by the residual, dual "
    "cross-modality attention after blocks 3 and 7, fusion, AM-softmax (margin 0.45, scale 30, no "
    "focusing) on cosines; the logit is the difference of the two scaled cosines. 53.2 M "
    "parameters; published as 55 M, which counts 2.1 M of layers that are never run in "
    "DeepfakeBench's Xceptions. The filters see values in [-1, 1], where the truncation at 3 "
    "hardly acts, as in public code. Not its: every stem map goes through all three filters, there "
    "through one; what attention adds starts at 0.1 instead of 0; the residual is filtered once; "
    "its last layer is linear, not cosines, so its checkpoints are refused. "
    "tiny: a narrow network of the same parts for CPUs and tests",
    licence="Apache-2.0 (code and ImageNet weights, timm); written from the paper",
    pretraining="ImageNet-1k",
    normalisation=SYMMETRIC,
    fit="gradient",
    own_recipe="deepfakebench-plain",
)

DETECTORS = {
    "detectors.srm:SRM": SRM,
    "detectors.f3net:F3Net": F3NET,
    "detectors.patchcraft:PatchCraft": PATCHCRAFT,
    "detectors.ssp:SSP": SSP,
    "detectors.npr:NPR": NPR,
    "detectors.spsl:SPSL": SPSL,
    "detectors.spectrum:Spectrum": SPECTRUM,
}
