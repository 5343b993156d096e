"""Settings of the stages from files to cubes and teachers. Marks as in docs/methods.md: [P] paper
or the authors' repository, [A] the authors' released tools, [M] from memory of the paper, [D]
decided here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from ssmtl.core.options import Choices
from ssmtl.core.settings import Above, Count, Engine, Precision, Settings, Share

# Importing the package would import torch.
DETECTORS = Choices(Path(__file__).parents[1] / "detection", "detector")


class Frames(Settings):
    """Frames to HDF5. JPEG images are copied unchanged, other images become PNG."""

    encoding: Literal["jpeg", "png"] = Field(
        "jpeg", description="Codec for frames of video files, jpeg or lossless png."
    )
    quality: int = Field(
        95, ge=1, le=100, description="JPEG quality for frames of video files, 4:4:4."
    )
    fps: Above | None = Field(
        None,
        description=(
            "Frames per second that are kept of faster clips, chosen by their time stamps; null "
            "keeps all. Clips with labels must keep all."
        ),
    )


class Detecting(Settings):
    """What the stages with a detector share: which one, and its own options."""

    renamed = {"cfg": "backend_options, {cfg: FILE}, of the detector darknet"}  # noqa: RUF012

    backend: str
    weights: str
    names: str | None
    backend_options: dict[str, Any]

    @property
    def files(self) -> list[str]:
        """What may name a file of the detector."""
        values = (self.weights, self.names, *self.backend_options.values())
        return [value for value in values if isinstance(value, str)]

    def with_files(self, place: Callable[[str, str], str]) -> Self:
        """The same with other names of what may be a file; place: of a key and its value."""

        def placed(key: str, value: Any) -> Any:
            return place(key, value) if isinstance(value, str) else value

        own = {key: placed(key, getattr(self, key)) for key in ("weights", "names")}
        options = {key: placed(key, value) for key, value in self.backend_options.items()}
        return self.model_copy(update=own | {"backend_options": options})

    @classmethod
    def upgraded(cls, values: dict) -> dict:
        values = super().upgraded(values)
        if cfg := values.pop("cfg", None):
            values["backend_options"] = {"cfg": cfg}
        return values

    def completed(self, place: str) -> Self:
        """With all options of the detector."""
        at = f"{place}." if place else ""
        DETECTORS.known(self.backend, f"{at}backend")
        own = DETECTORS.parsed(self.backend, self.backend_options, f"{at}backend_options")
        return self.model_copy(update={"backend_options": own})


class Detect(Detecting):
    """Object detection."""

    respelt = {  # noqa: RUF012
        "names": ("", "null"),
        "batch": (0, "null, to measure the fastest"),
    }

    backend: str = Field(
        "ultralytics",
        description="ultralytics, darknet or imported; a file in workflow/ssmtl/detection.",
    )
    backend_options: dict[str, Any] = Field(
        {},
        description=(
            "Options of the detector that differ from their defaults, as `--backend-options.cfg "
            "FILE`; what there are stands in the detector's file, and in docs/settings.md. A layer "
            "that names another detector begins with its defaults."
        ),
    )
    weights: str = Field("yolov3u.pt", description="Weights by name or path.")
    names: str | None = Field(
        None,
        description=(
            "File of class names, one a line; null for those of the weights, or numbers where "
            "these have none."
        ),
    )
    image_size: int = Field(
        416,
        ge=32,
        multiple_of=32,
        description="Side in pixels that pictures are letterboxed to, a multiple of 32.",
    )
    confidence: Share = Field(
        0.5,
        description=(
            "Least confidence of a box, objectness times best class where objectness exists."
        ),
    )
    iou: Share = Field(
        0.45, description="Boxes of one class that overlap more than this are one object."
    )
    max_boxes: int = Field(300, ge=1, description="Most boxes kept in a frame.")
    batch: Count | None = Field(
        16,
        description=(
            "Frames given to the detector at once, on a CPU at most 4 for each core; halved when "
            "memory runs out. null measures which of 1, 2, 4, ... is the fastest."
        ),
    )
    precision: Precision = "auto"
    engine: Engine = "auto"
    gpu_decode: bool = Field(
        False,
        description=(
            "Let the GPU decode JPEG frames; pixels may differ by a few levels from those of the "
            "CPU."
        ),
    )


class Cubes(Settings):
    """Object-centric cubes."""

    respelt = {  # noqa: RUF012
        "min_side": (0, "null, to keep all"),
        "max_aspect": (0, "null, to keep all"),
        "nested": (0, "null, to keep all"),
        "ignore": ("", "null"),
        "train_max": (0, "null, for all"),
    }

    size: int = Field(64, ge=8, description="Side of a crop in pixels, 64 [P].")
    radius: int = Field(
        3, ge=1, description="t, frames on each side of frame i; 3 makes cubes of 7 [M]."
    )
    max_gap: int = Field(4, ge=2, description="Largest gap of an intermittent cube [M].")
    scale: float = Field(
        1.0,
        gt=0,
        description="Boxes are enlarged by this factor about their centres before cropping.",
    )
    min_side: Above | None = Field(
        None,
        description="Boxes with a shorter side below this, in pixels, are dropped; null keeps all.",
    )
    max_aspect: Above | None = Field(
        None,
        description=(
            "Boxes whose sides differ by more than this factor are dropped; null keeps all."
        ),
    )
    nested: Share | None = Field(
        None,
        description=(
            "Boxes with more than this share inside a larger one are dropped; null keeps all."
        ),
    )
    ignore: str | None = Field(
        None,
        description=(
            'Polygons on the picture, "10,20 90,20 90,60; ...", x,y in pixels; objects whose '
            "centre lies in one are dropped."
        ),
    )
    train_stride: int = Field(
        1, ge=1, description="Of the training objects of a clip every n-th gets a cube."
    )
    storage: Literal["raw", "lzf", "gzip", "jpeg"] = Field(
        "raw",
        description=(
            "How cubes lie in the file: raw; compressed without loss, lzf quickly, gzip smaller; "
            "or jpeg, at quality 95, a tenth of raw at 64 x 64 (docs/methods.md has the cost)."
        ),
    )
    train_max: Count | None = Field(
        None,
        description="At most so many training cubes a clip, chosen at random; null for all.",
    )


class Teachers(Detecting):
    """Targets of the distillation task."""

    respelt = {"names": ("", "null")}  # noqa: RUF012

    resnet: str = Field(
        "IMAGENET1K_V1",
        description=(
            "ResNet-50 weights, a torchvision name, a file, or 'random' (seeded; no download)."
        ),
    )
    resnet_seed: int = Field(0, ge=0, description="Seed of random ResNet weights.")
    resnet_size: int = Field(224, ge=32, description="Side of ResNet-50's input in pixels.")
    batch: int = Field(64, ge=1, description="Crops given to a teacher at once.")
    precision: Precision = "auto"
    engine: Engine = "auto"
    backend: str = Field(
        "darknet",
        description=(
            "For imported boxes, the detector that gives class probabilities of object crops."
        ),
    )
    backend_options: dict[str, Any] = Field(
        {}, description="Options of that detector that differ from their defaults, as in `detect`."
    )
    weights: str = Field("data/weights/yolov3.weights", description="Weights of that detector.")
    names: str | None = Field(
        None,
        description=(
            "File of that detector's class names; null for those of its weights, or numbers where "
            "these have none."
        ),
    )
    image_size: int = Field(
        416,
        ge=32,
        multiple_of=32,
        description="Side in pixels that object crops are enlarged to, a multiple of 32.",
    )
    context: float = Field(
        1.5, ge=1, description="Side of the crop over the longer side of the box."
    )


class Features(Settings):
    """What is measured of each object for the tasks without training."""

    network: str = Field(
        "efficientnet_lite0",
        description=(
            "Frozen network whose features are the embedding: efficientnet_lite0 (ImageNet, no "
            "download), a torchvision name or a file of ResNet-50's weights, any model of timm, "
            "or random."
        ),
    )
    seed: int = Field(0, ge=0, description="Seed of random weights.")
    size: int = Field(
        64, ge=32, description="Side in pixels of the crops that the network sees [D]."
    )
    batch: int = Field(64, ge=1, description="Crops given to the network at once.")
    precision: Precision = "auto"
    engine: Engine = "auto"
    flow_size: int = Field(
        480,
        ge=32,
        description="Longer side in pixels that pictures are reduced to before optical flow [D].",
    )


class Images(Settings):
    """Pictures of image data sets."""

    size: int = Field(
        32,
        ge=8,
        description=(
            "Side in pixels that the largest centred square of a picture is resized to [D]."
        ),
    )
