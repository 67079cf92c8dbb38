"""Cards of MFCLIP and its release."""

from detectors.card import SYMMETRIC, Card

MFCLIP = Card(
    name="mfclip",
    title="MFCLIP",
    paper="Zhang et al., MFCLIP: Multi-modal Fine-grained CLIP for Generalizable Diffusion "
    "Face Forgery Detection, IEEE TIFS 20:5888-5903, doi 10.1109/TIFS.2025.3576577",
    year=2025,
    kind="vision-language",
    fidelity="The paper's parts (prompts, language and vision encoder, richest patch, sample "
    "pair attention, predictor) and the released widths and depths, from scratch, as its code "
    "is; the paper's formulas were not available, its abstract and Fig. 1 were. Put right "
    "against the released code: prompts are read whole, positions belong to patches and not to "
    "places in the batch, both encoders see grids of tokens, the residual is truncated in "
    "units of 0..255, attention weighs pairs of classes, the temperature is limited, the "
    "teacher is detached. One logit for two. Not the paper's: the mean over the prompts is taken "
    "off the features of a text tower from random weights, and a term of weight 10 keeps different "
    "prompts below a cosine of about 1/2, since the contrast alone makes them equal while images "
    "cannot be told apart; beside a pretrained image tower the noise starts at a tenth of the "
    "embedding's length. Widths and depths are the released ones but for the noise branch, which "
    "has three stages for two (widths 32, 64, 128) on a patch of 56 px for 112, a layer norm on "
    "each branch, and torch's own initialisation with CLIP's only where it is said. Attention by "
    "spa='hard' is at its limits where cosines differ by 0.1 at the first temperature "
    "(slope='cosine' is gentler). tiny: the same parts in the same order, narrower and shallower, "
    "8 x 8 noise tokens a patch for 7 x 7. 78.5 M parameters in training and 40.3 M at "
    "inference; the release has 141.7 M and 77.9 M, of which the linear layers from whole "
    "feature maps to one token are 38.5 M and CLIP's vocabulary 25.3 M.",
    licence="Apache-2.0; written from the paper",
    pretraining="none",
    normalisation=f"{SYMMETRIC}; the noise in grey levels",
    fit="gradient",
    own_recipe="release",
    needs=frozenset({"prompts"}),
    code="https://github.com/Jenine-321/MFCLIP",
)

MFCLIP_RELEASE = Card(
    name="mfclip-release",
    title="MFCLIP (release)",
    paper="Zhang et al., MFCLIP: Multi-modal Fine-grained CLIP for Generalizable Diffusion "
    "Face Forgery Detection, IEEE TIFS 20:5888-5903, doi 10.1109/TIFS.2025.3576577; as its "
    "public code of 2025 has it",
    year=2025,
    kind="vision-language",
    fidelity="base: the released network and its losses as they are, defects included: an image's "
    "score depends on its place in a batch of 24, prompt levels 2 to 4 do nothing, images are "
    "squashed without anti-aliasing. The released checkpoints' tensors are taken one for one. "
    "141.66 M parameters in training, 77.85 M at inference. Not the release's: the pair table "
    "starts at 0 instead of uninitialised memory, a batch may be smaller than 24, model selection "
    "is by validation AUC. tiny: a narrow network of the same parts for CPUs and tests",
    licence="Apache-2.0; written anew, the public code has no licence",
    pretraining="none",
    normalisation="to grey levels, [0, 255]; the noise stays in [0, 1]",
    fit="gradient",
    own_recipe="release",
    needs=frozenset({"prompts"}),
    batch_dependent=24,
    image_gradient=False,
    code="https://github.com/Jenine-321/MFCLIP",
)

DETECTORS = {
    "detectors.mfclip.model:MFCLIP": MFCLIP,
    "detectors.mfclip.release:MFCLIPRelease": MFCLIP_RELEASE,
}
