"""Cards of what a detector must beat, and of checks of the benchmark itself."""

from detectors.card import Card

SHORTCUT = Card(
    name="shortcut",
    title="Shortcut (file and colour)",
    paper="ForgeryBench's own; after Grommelt et al., Fake or JPEG? Revealing Common Biases in "
    "Generated Image Detection Datasets, 2024 (arXiv 2403.17608)",
    year=2024,
    kind="floor",
    fidelity="its own definition: file size, format, JPEG tables, resolution and mean colour, "
    "through logistic regression with products. Under a perturbation the facts are those of the "
    "stored file and the colour that of the perturbed pixels",
    licence="Apache-2.0 (code; there are no weights)",
    pretraining="none",
    fit="estimator",
    needs=frozenset({"file"}),
)

CONSTANT = Card(
    name="constant",
    title="Constant",
    paper="none: a check of the benchmark",
    year=2025,
    kind="floor",
    fidelity="its own definition: logit 0 for every image",
    licence="Apache-2.0 (code; there are no weights)",
    pretraining="none",
    fit="none",
    sanity=True,
)

ORACLE = Card(
    name="oracle",
    title="Oracle",
    paper="none: a check of the benchmark",
    year=2025,
    kind="floor",
    fidelity="its own definition: logit 1 for forged images and -1 for real ones",
    licence="Apache-2.0 (code; there are no weights)",
    pretraining="none",
    fit="none",
    needs=frozenset({"labels"}),
    sanity=True,
)

DETECTORS = {
    "detectors.shortcut:Shortcut": SHORTCUT,
    "detectors.sanity:Constant": CONSTANT,
    "detectors.sanity:Oracle": ORACLE,
}
