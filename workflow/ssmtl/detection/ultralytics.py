"""Detectors of the Ultralytics package, by default YOLOv3u.

Ultralytics is licensed under AGPL-3.0, other than this project (Apache-2.0): who passes on or
serves a system that uses this back end must meet that licence. It is imported nowhere else for
detection; the `darknet` back end does without it.

Class vectors come from the raw head, candidate by candidate, so each belongs to its box exactly.
The heads of YOLOv10 and YOLO26 that need no suppression return finished boxes without class
vectors; their one-to-many head, which is in the same weights, is used instead.
"""

import atexit
import http.client
import logging
import os
import shutil
import tempfile
from pathlib import Path

import torch

from ssmtl.core import download
from ssmtl.core.errors import InputError
from ssmtl.core.machine import cores
from ssmtl.core.store import replacing
from ssmtl.detection.base import Detector, read_names

# Read once, when Ultralytics is imported: nothing is installed, looked up or reported online, the
# user's settings file is neither read nor written, and weights are unpickled from a list of known
# classes only (ULTRALYTICS_SAFE_LOAD=0 in the environment lifts that for a file you trust).
os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ["YOLO_VERBOSE"] = "false"
os.environ["YOLO_CONFIG_DIR"] = tempfile.mkdtemp(prefix="ssmtl-ultralytics-")
os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "true")
# Where this is not set it would be set to 1, and `cores()` believes it.
os.environ.setdefault("OMP_NUM_THREADS", str(cores()))

from ultralytics.nn.modules.head import Detect, v10Detect
from ultralytics.nn.tasks import load_checkpoint
from ultralytics.utils import SETTINGS
from ultralytics.utils.checks import check_yolov5u_filename
from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES
from ultralytics.utils.tal import dist2bbox, make_anchors

atexit.register(shutil.rmtree, os.environ["YOLO_CONFIG_DIR"], ignore_errors=True)
dict.update(SETTINGS, sync=False)  # no usage reports; in memory, since SETTINGS writes itself

log = logging.getLogger(__name__)

DEFAULT_WEIGHTS = "yolov3u.pt"
RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
# SHA-256 of files of that release, as several independent projects state them.
CHECKSUMS = {
    "yolo11n.pt": "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1",
    "yolo11s.pt": "85a76fe86dd8afe384648546b56a7a78580c7cb7b404fc595f97969322d502d5",
    "yolo11m.pt": "d5ffc1a674953a08e11a8d21e022781b1b23a19b730afc309290bd9fb5305b95",
    "yolo26n.pt": "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef",
    "yolo26s.pt": "646f8bc3fe0a656803d95c294f7852321748cb29d13466a1af8862e2db384a1b",
    "yolo26m.pt": "401cea9ab23ad19246ff7744859816bc599f350e93c9dd30367b6f0a0745d0b7",
    "yolov8n.pt": "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36",
}


class Candidates(torch.nn.Module):
    """An Ultralytics model with the raw outputs of its `Detect` head, decoded once.

    images (B, 3, H, W) -> boxes (B, A, 4), objectness of ones (B, A), class_probs (B, A, C).
    """

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model, self.head = model, model.model[-1]

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        self.head.training = True  # of the head alone, whatever is said to the whole
        heads = self.model(images.contiguous(memory_format=torch.channels_last))
        head = heads.get("one2many", heads)
        probs = head["scores"].float().sigmoid().transpose(1, 2)  # (B, A, C)
        return self._decode(head), torch.ones_like(probs[..., 0]), probs

    def _decode(self, head: dict) -> torch.Tensor:
        """Boxes (B, A, 4) in single precision: half would round by half a pixel."""
        anchors, strides = make_anchors(head["feats"], self.head.stride, 0.5)  # (A, 2), (A, 1)
        bins = self.head.reg_max
        sides = head["boxes"].float().unflatten(1, (4, bins))  # (B, 4, bins, A)
        if bins > 1:  # a distribution over whole cells; its mean is the distance
            values = torch.arange(bins, device=sides.device, dtype=sides.dtype)
            sides = sides.softmax(2) * values[:, None]
        distances = sides.sum(2).transpose(1, 2)  # (B, A, 4)
        return dist2bbox(distances, anchors.float(), xywh=False) * strides.float()


class UltralyticsDetector(Detector):
    """A `Detect` head of Ultralytics on its backbone; it has no objectness.

    The letterbox is Ultralytics' own: grey 114, the short side padded to the stride only.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        names: str,
        image_size: int,
        device: torch.device,
        **computed: str,
    ):
        self.stride = int(model.stride.max())
        head = model.model[-1]
        known = model.names.values() if isinstance(model.names, dict) else model.names
        classes = read_names(names, head.nc) if names else known
        head.end2end = False  # before fusing, which drops the head that is not used
        model = model.fuse(verbose=False).requires_grad_(False)
        network = Candidates(model.to(memory_format=torch.channels_last))
        super().__init__(classes, image_size, device, network, **computed)


def load(
    weights: str = DEFAULT_WEIGHTS,
    *,
    names: str | None = None,
    image_size: int,
    device: torch.device,
    **computed: str,
) -> UltralyticsDetector:
    """A detector from Ultralytics detection weights.

    weights: path of a .pt file; one that is missing and carries a name of Ultralytics' own is
    fetched to that path. names: file of class names, else those of the weights.
    computed: `precision` and `engine`.
    Raises InputError for missing or damaged weights and for models without class vectors.
    """
    path = Path(weights or DEFAULT_WEIGHTS)
    _refuse_old_name(path)
    if not path.is_file():
        _fetch(path)
    model = _read(path)
    _refuse_without_class_vectors(model, path)
    return UltralyticsDetector(model, names, image_size, device, **computed)


def _refuse_old_name(path: Path) -> None:
    """Ultralytics would look for another file than the one named."""
    current = Path(check_yolov5u_filename(str(path), verbose=False))
    if current != path:
        raise InputError(f"{path}: Ultralytics reads this name as {current.name}; use that name")


def _fetch(path: Path) -> None:
    """Download official weights to `path`, whole or not at all.

    Raises InputError for a name that is none, a failed transfer, and for another file than the one
    whose checksum is known.
    """
    if path.name not in GITHUB_ASSETS_NAMES:
        raise InputError(
            f"{path}: no such file, nor a name of Ultralytics' own such as {DEFAULT_WEIGHTS}; "
            "check detect.weights"
        )
    url, known = f"{RELEASE}/{path.name}", CHECKSUMS.get(path.name)
    try:
        with replacing(path) as temporary:
            found = download.fetch(url, temporary)
            if known:
                download.check(found, known, url)
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        raise InputError(
            f"{path}: no such file, and the download failed ({error}); "
            f"get {url} and put it at {path}"
        ) from error
    if not known:
        log.warning(
            "%s: fetched from %s, SHA-256 %s, which nothing vouches for: a .pt file is a pickle, "
            "and can run what it likes if ULTRALYTICS_SAFE_LOAD is lifted",
            *(path, url, found),
        )


def _read(path: Path) -> torch.nn.Module:
    try:
        # The absolute path keeps Ultralytics from replacing a damaged file by a download.
        return load_checkpoint(path.resolve(), device="cpu")[0]
    except Exception as error:  # damage surfaces as a dozen exception types
        reason = next(iter(str(error).splitlines()), "")
        raise InputError(
            f"{path}: not readable as Ultralytics weights ({type(error).__name__}: {reason}); "
            "fetch the file again"
        ) from error


def _refuse_without_class_vectors(model: torch.nn.Module, path: Path) -> None:
    head = model.model[-1]
    if type(head) not in (Detect, v10Detect):
        raise InputError(
            f"{path}: a model with a {type(head).__name__} head gives no box-wise class vectors; "
            f"use detection weights such as {DEFAULT_WEIGHTS} or yolo11n.pt"
        )
    if head.cv2 is None:
        raise InputError(
            f"{path}: saved after fusing, which removed the head with class vectors; "
            "use the weights as trained"
        )
