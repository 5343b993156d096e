"""Every stage of the pipeline, registered here and nowhere else.

A stage has its rule's name. The command line, the rules, the limits of jobs on a cluster, the times
in the report and the digest of its code take what they need from this table.
"""

from dataclasses import dataclass, field

DETECTORS = "ssmtl.detection.{}"
MODEL = {"train.tasks": "ssmtl.learning.tasks.{}", "train.encoder": "ssmtl.learning.encoders.{}"}


@dataclass(frozen=True)
class Demand:
    """What a job asks a cluster for: a start, and what a GB of input adds."""

    start: float
    per_gb: float = 0


@dataclass(frozen=True)
class Stage:
    """A stage: its code and what the workflow has to know of it.

    code: its function, `module:function`, and what its command calls beside it.
    settings: the section of the configuration with its settings.
    named: what the settings name in its code: `section.key` -> that code, with {} for the name.
    writes: the formats of its files; all of their modules count as its code.
    template: the file of `reporting/templates` that it fills, with what that includes.
    without: functions in a package that do not count for it.
    memory, time: GB and minutes of a job; generous for a GPU, where the stage uses one: a killed
    job goes on where it was.
    timed: whether the report shows how long it took.
    """

    code: tuple[str, ...]
    settings: str | None = None
    named: dict[str, str] = field(default_factory=dict)
    writes: tuple[str, ...] = ()
    template: str = ""
    without: dict[str, str] = field(default_factory=dict)
    memory: Demand = Demand(4)
    time: Demand = Demand(60)
    timed: bool = False


STAGES: dict[str, Stage] = {
    "scenes": Stage(
        ("ssmtl.demo.dataset:render",),
        memory=Demand(8),
        time=Demand(120),
    ),
    # A shard's own rows of the manifest, without the truth.
    "clips": Stage(
        ("ssmtl.stages.manifest:write_clips",),
        named={"dataset.reader": "ssmtl.datasets.video.{}:list_clips"},
    ),
    "manifest": Stage(
        ("ssmtl.stages.manifest:build_manifest",),
        named={"dataset.reader": "ssmtl.datasets.video.{}"},
        writes=("manifest",),
    ),
    "frames": Stage(
        ("ssmtl.stages.frames:extract_frames",),
        settings="frames",
        writes=("frames",),
        time=Demand(60, 60),
        timed=True,
    ),
    "detect": Stage(
        ("ssmtl.stages.detect:detect_objects",),
        settings="detect",
        named={"detect.backend": DETECTORS},
        writes=("detections",),
        memory=Demand(8),
        time=Demand(60, 60),
        timed=True,
    ),
    "cubes": Stage(
        ("ssmtl.stages.cubes:make_cubes",),
        settings="cubes",
        writes=("cubes",),
        time=Demand(60, 60),
        timed=True,
    ),
    "teachers": Stage(
        ("ssmtl.stages.teachers:write_teachers",),
        settings="teachers",
        named={"teachers.backend": DETECTORS},
        writes=("teachers",),
        memory=Demand(8),
        time=Demand(60, 10),
        timed=True,
    ),
    "features": Stage(
        ("ssmtl.stages.features:write_features",),
        settings="features",
        writes=("features",),
        memory=Demand(8),
        time=Demand(60, 60),
        timed=True,
    ),
    "image_features": Stage(
        ("ssmtl.stages.features:write_image_features",),
        settings="features",
        writes=("features",),
        memory=Demand(8),
        time=Demand(60, 60),
        timed=True,
    ),
    "images": Stage(
        ("ssmtl.stages.images:make_images",),
        settings="images",
        named={"image_dataset.reader": "ssmtl.datasets.images.{}"},
        writes=("images",),
        memory=Demand(8),
        time=Demand(120),
    ),
    "train": Stage(
        ("ssmtl.learning.training:train_model",),
        settings="train",
        named=MODEL,
        without={"ssmtl.learning.tasks": "score"},  # learning does not depend on how a task scores
        memory=Demand(8, 2),  # cubes stay in memory if they fit in half of what is free
        time=Demand(60, 30),
        timed=True,
    ),
    "history": Stage(("ssmtl.reporting.plots:history_figure", "ssmtl.reporting.plots:save")),
    "calibrate": Stage(
        ("ssmtl.scoring.calibration:calibrate",),
        settings="score",
        named=MODEL,
        writes=("calibration",),
        memory=Demand(8, 0.1),
        time=Demand(30, 10),
        timed=True,
    ),
    "score": Stage(
        ("ssmtl.scoring.stage:score_objects",),
        settings="score",
        named=MODEL,
        writes=("scores",),
        memory=Demand(8),
        time=Demand(30, 10),
        timed=True,
    ),
    "score_frames": Stage(
        ("ssmtl.scoring.stage:score_frames",),
        settings="score",
        named=MODEL | {"teachers.backend": DETECTORS},
        writes=("scores",),
        memory=Demand(8),
        time=Demand(30, 10),
    ),
    "pixel_baseline": Stage(
        ("ssmtl.scoring.pixel_baselines:write_pixel_baselines",), writes=("scores",)
    ),
    "evaluate": Stage(
        ("ssmtl.evaluation.evaluate:evaluate",),
        settings="evaluate",
        memory=Demand(4, 2),
        time=Demand(60, 60),
        timed=True,
    ),
    "explain": Stage(
        ("ssmtl.scoring.explain:explain",),
        settings="cubes",
        named=MODEL | {"teachers.backend": DETECTORS},
        writes=("explained",),
        memory=Demand(8),
        timed=True,
    ),
    "videos": Stage(
        ("ssmtl.reporting.annotated_videos:write_videos",),
        time=Demand(60, 60),
    ),
    "watcher": Stage(
        ("ssmtl.watching.folder:make_watcher",),
        named=MODEL | {"detect.backend": DETECTORS},
        memory=Demand(8),
        time=Demand(60, 60),
    ),
    "release": Stage(
        ("ssmtl.learning.released:release", "ssmtl.reporting.model_card:write_card"),
        template="model_card.md.j2",
    ),
    "report": Stage(
        ("ssmtl.reporting.pages.report:write_report",),
        template="template.html.j2",
        time=Demand(60, 60),
    ),
    "figures": Stage(("ssmtl.reporting.paper_figures:write_figures",)),
    "summary": Stage(("ssmtl.reporting.pages.summary:write_summary",), template="summary.html.j2"),
    "ablation": Stage(
        ("ssmtl.reporting.pages.ablation:write_ablation",), template="ablation.html.j2"
    ),
    "sensitivity": Stage(
        ("ssmtl.evaluation.sensitivity:write_sensitivity",), settings="sensitivity"
    ),
    "sensitivity_page": Stage(
        ("ssmtl.reporting.pages.sensitivity:write_page",), template="sensitivity.html.j2"
    ),
    "protocol": Stage(
        ("ssmtl.reporting.pages.protocol:write_protocol",), template="protocol.html.j2"
    ),
}

TIMED = tuple(name for name, stage in STAGES.items() if stage.timed)
