"""Published results of object-level methods, in per cent; their source is docs/methods.md."""

from dataclasses import dataclass

from ssmtl.core.errors import InputError


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


SSMTL_BIBTEX = """\
@inproceedings{georgescu2021anomaly,
  title     = {Anomaly Detection in Video via Self-Supervised and Multi-Task Learning},
  author    = {Georgescu, Mariana-Iuliana and Barbalau, Antonio and Ionescu, Radu Tudor and
               Khan, Fahad Shahbaz and Popescu, Marius and Shah, Mubarak},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2021},
  eprint    = {2011.07491}
}"""

FINE_GRAINED_BIBTEX = """\
@inproceedings{jezequel2021fine,
  title     = {Fine-grained anomaly detection via multi-task self-supervision},
  author    = {Jezequel, Lo{\\"i}c and Vu, Ngoc-Son and Beaudet, Jean and Histace, Aymeric},
  booktitle = {IEEE International Conference on Advanced Video and Signal Based Surveillance},
  year      = {2021},
  doi       = {10.1109/AVSS52988.2021.9663783}
}"""

PROJECT_BIBTEX = """\
@software{{ssmtl,
  title   = {{ssmtl: self-supervised multi-task anomaly detection as a staged pipeline}},
  version = {{{version}}},
  license = {{Apache-2.0}}
}}"""


def citations(version: str) -> dict[str, str]:
    """What to cite, BibTeX by what it stands for; `version` is that of this project."""
    return {
        "The method for video": SSMTL_BIBTEX,
        "The tasks for pictures": FINE_GRAINED_BIBTEX,
        "This software": PROJECT_BIBTEX.format(version=version),
    }
