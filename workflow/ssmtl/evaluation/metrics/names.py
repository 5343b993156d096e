"""The metrics' names: the keys of metrics.json, and what tables and pages call them."""

# All frames in one ROC, and the mean over clips by three conventions for clips of one class.
OF_FRAMES = {
    "micro": "micro",
    "macro_padded": "macro, padded",
    "macro_strict": "macro, strict",
    "macro_normal_added": "macro, normal added",
}
# Boxes against regions and tracks, by our reading of the definition and by the authors' evaluation.
OF_REGIONS = {
    "rbdc": "RBDC",
    "tbdc": "TBDC",
    "rbdc_authors": "RBDC, authors'",
    "tbdc_authors": "TBDC, authors'",
}
OF_PLACES = OF_REGIONS | {"pixel_auc": "pixel AUC"}
ALL = OF_FRAMES | OF_PLACES
