"""Published results of object-level methods, in per cent; their source is docs/methods.md."""

from dataclasses import dataclass

from ssmtl.errors import InputError


@dataclass(frozen=True)
class Published:
    """One published result; None where the paper or its repository states no figure."""

    method: str
    source: str
    micro: float
    macro: float | None = None
    rbdc: float | None = None
    tbdc: float | None = None


SSMTL = "SSMTL (object level)"
SSMTL_SOURCE = "Georgescu et al., CVPR 2021"

RESULTS = {
    "avenue": [Published(SSMTL, SSMTL_SOURCE, 91.5, 91.9, 57.0, 58.3)],
    "shanghaitech": [Published(SSMTL, SSMTL_SOURCE, 82.4, 89.3, 42.8, 83.9)],
    "ped2": [
        Published(SSMTL, SSMTL_SOURCE, 97.5, 99.8, 72.8, 91.2),
        Published("HF2-VAD", "Liu et al., ICCV 2021", 99.3),
        Published("AI-VAD", "Reiss and Hoshen, 2022", 99.1, 99.9),
        Published("Jigsaw-VAD", "Wang et al., ECCV 2022", 99.0, 99.9),
        Published("Background-agnostic AED", "Georgescu et al., TPAMI 2021", 98.7, 99.7),
    ],
}

DIFFERENCES = (
    "Published figures are for the whole test set; SSMTL's rest on the boxes and class "
    "probabilities of full-size YOLOv3 and on a ResNet-50 trained on ImageNet. Ours are for the "
    "clips, detector, teachers and encoder named under “What was run”, and with the configured "
    "border rule. Macro is the padded convention."
)


def results_for(key: str | None) -> list[Published]:
    """The published results of a data set; none without a key, InputError for an unknown one."""
    if key is None:
        return []
    if key not in RESULTS:
        raise InputError(
            f"published: no results known for '{key}'; use one of {', '.join(sorted(RESULTS))}"
        )
    return RESULTS[key]
