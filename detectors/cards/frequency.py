"""Cards of the detectors of spectra, noise and patches."""

from detectors.card import Card

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
)

DETECTORS = {
    "detectors.spectrum:Spectrum": SPECTRUM,
}
