"""Made results of a data set: stage files, runs and videos, as the report reads them."""

import json

import av
import numpy as np
import pandas as pd
import torch
from made_files import fill, write_calibration, write_scores
from sklearn.metrics import roc_auc_score

from ssmtl.core import store
from ssmtl.evaluation.metrics.names import OF_REGIONS
from ssmtl.formats.cubes import CUBES
from ssmtl.formats.detections import DETECTIONS
from ssmtl.formats.frames import FRAMES as FRAMES_FILE
from ssmtl.formats.manifest import COLUMNS as MANIFEST
from ssmtl.formats.teachers import TEACHERS
from ssmtl.formats.videos import write_about
from ssmtl.learning import model as models
from ssmtl.media import codec
from ssmtl.scoring.explain import explain
from ssmtl.stages.settings import Cubes, Teachers

TASKS = ["arrow_of_time", "motion_irregularity", "middle_box", "distillation"]
COLUMNS = [*TASKS, "combined", "speed"]
FRAMES, WIDTH, HEIGHT = 40, 96, 64
TEST_CLIPS = {"01": (12, 27, "running"), "02": (20, 39, "<falling>"), "03": None}
SECTIONS = {
    "summary", "metrics", "kinds", "clips", "timelines", "events", "mistakes", "roc",
    "distributions", "training", "run", "cite",
}  # fmt: skip
CLASSES = ["person", "bicycle", "vehicle"]
SPEC = {
    "tasks": TASKS,
    "encoder": "cnn3d",
    "encoder_options": {"depth": "shallow", "width": "narrow"},
    "task_options": {},
    "size": 64,
    "radius": 3,
    "max_gap": 4,
    "classes": CLASSES,
}


def write_stage_files(root, split, clips, objects, rng):
    """The four stage files of one split and shard; returns their paths by kind."""
    folder = root / "data" / split / "0"
    size = {"frames": FRAMES, "width": WIDTH, "height": HEIGHT}
    paths = {k: folder / f"{k}.h5" for k in ("frames", "detections", "cubes", "teachers")}
    pictures = [rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(FRAMES)]
    encoded = [codec.encode_jpeg(picture, 60) for picture in pictures]
    frame = np.repeat(np.arange(FRAMES), objects).astype(np.int32)
    corner = rng.uniform(0, 40, (len(frame), 2))
    box = np.hstack([corner, corner + 16]).astype(np.float32)
    cubes = rng.integers(0, 255, (len(frame), 7, 64, 64, 3), dtype=np.uint8)
    valid = np.tile(np.array([[1, 7]], np.int16), (len(frame), 1))
    columns = {
        "bytes": np.frombuffer(b"".join(encoded), np.uint8),
        "offsets": np.cumsum([0, *map(len, encoded)]),
        "time": np.arange(FRAMES) / 25,
    }
    with store.create(paths["frames"], "frames", split=split) as file:
        for clip in clips:
            about = {**size, "fps": 25.0, "encoding": "jpeg", "source": f"clips/{clip}"}
            fill(file.create_group(clip), FRAMES_FILE, columns, **about)
    probs, row = np.eye(3, dtype=np.float32)[frame % 3], np.arange(len(frame))
    objects = {"frame": frame, "box": box}
    certain = {"confidence": np.ones(len(frame), np.float32), "class_id": frame % 3}
    detections = objects | certain | {"class_probs": probs}
    of_cubes = objects | {"cubes": cubes, "valid": valid, "detection": row}
    of_cubes["time"] = columns["time"]
    content = {
        "detections": (DETECTIONS, detections, size),
        "cubes": (CUBES, of_cubes, size | {"detections": len(frame)}),
        "teachers": (TEACHERS, {"class_probs": probs}, {"cubes": ""}),
    }
    about = {"split": split, "classes": json.dumps(CLASSES), "detector": "made", "radius": 3}
    for kind, (layout, values, attributes) in content.items():
        with store.create(paths[kind], kind, **about) as file:
            for clip in clips:
                fill(file.create_group(clip), layout, values, **attributes)
    return paths, frame, box


def frame_table(rng, labelled):
    """frame_scores.csv of the three clips, with scores that see the anomalies."""
    tables = []
    for clip, event in TEST_CLIPS.items():
        frame = np.arange(FRAMES)
        inside = (
            np.zeros(FRAMES, bool) if event is None else (frame >= event[0]) & (frame <= event[1])
        )
        kind = np.where(inside, "" if event is None else event[2], "")
        table = pd.DataFrame({"clip": clip, "frame": frame, "label": inside.astype(int)})
        table = table.assign(kind=kind, objects=2)
        for column in COLUMNS:
            table[column] = np.clip(rng.uniform(0, 0.6, FRAMES) + 0.2 * inside, 0, 1)
            table[f"{column}_smoothed"] = table[column]
        tables.append(table)
    table = pd.concat(tables)
    if not labelled:
        table = table.assign(label="", kind="")
    return table


def measure(table, labelled, model, seed, rng):
    """metrics.json for a table; the metrics that need no check are drawn at random."""

    def auc(rows):
        both = labelled and rows["label"].nunique() == 2
        return {c: float(roc_auc_score(rows["label"], rows[c])) if both else None for c in COLUMNS}

    micro, normal = auc(table), table[table["label"] == 0]
    clips = dict(iter(table.groupby("clip")))
    kinds = [k for k in table["kind"].unique() if k]
    return {
        "dataset": "made", "model": model, "seed": seed, "columns": COLUMNS, "tasks": TASKS,
        "border": "replicate", "sigma": 21, "frames": len(table), "labelled": labelled,
        "anomalous_frames": int((table["label"] == 1).sum()), "objects": 240,
        "scores": {
            border: {
                c: {
                    "micro": micro[c],
                    "macro_padded": float(rng.uniform(0.4, 1)) if labelled else None,
                    "macro_strict": float(rng.uniform(0.4, 1)) if labelled else None,
                    "macro_normal_added": float(rng.uniform(0.4, 1)) if labelled else None,
                }
                for c in COLUMNS
            }
            for border in ("zero", "replicate")
        },
        "regions": {
            c: {name: float(rng.uniform(0.1, 1)) for name in OF_REGIONS} for c in COLUMNS
        } if labelled else {},
        "pixel_auc": {c: float(rng.uniform(0.1, 1)) for c in COLUMNS} if labelled else {},
        "kinds": {k: auc(pd.concat([table[table["kind"] == k], normal])) for k in kinds},
        "clips": {
            c: {"frames": FRAMES, "anomalous": int(n), "objects": 80, "auc": auc(clips[c])}
            for c, n in (table["label"] == 1).groupby(table["clip"]).sum().items()
        },
    }  # fmt: skip


def card():
    """model.json of a run."""
    return {
        "spec": SPEC,
        "seed": 0,
        "settings": {},
        "best": {"step": 40, "validation_loss": float("nan")},
        "versions": {"ssmtl": "0.1.0", "torch": "2.15.0"},
        "train": {"clips": 2, "objects": 160, "cubes_seen": 4096, "validation_clips": ["b"]},
    }


def write_videos(folder, fps=25, model="all", seed=0):
    """A video of every test clip, H.264, whose frames grow brighter, of a model's run."""
    folder.mkdir(parents=True)
    for clip in TEST_CLIPS:
        with av.open(str(folder / f"{clip}.mp4"), "w", options={"movflags": "+faststart"}) as out:
            stream = out.add_stream("libx264", rate=fps)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for frame in range(FRAMES):
                picture = np.full((HEIGHT, WIDTH, 3), 5 * frame, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            out.mux(stream.encode(None))
    write_about(folder, model, seed)
    return folder


def write_run(root, model, seed, frame, box, labelled):
    """One model folder with all its files."""
    rng = np.random.default_rng(seed + len(model))
    folder = root / "models" / model / f"seed{seed}"
    clips = {
        clip: {"frame": frame, "box": box}
        | {column: rng.uniform(0, 1, len(frame)).astype(np.float32) for column in COLUMNS}
        for clip in TEST_CLIPS
    }
    size = FRAMES, WIDTH, HEIGHT
    write_scores(folder / "scores" / "0.h5", COLUMNS, clips, size, model=model, seed=seed)
    table = frame_table(rng, labelled)
    table.to_csv(folder / "frame_scores.csv", index=False)
    metrics = measure(table, labelled, model, seed, rng)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    torch.manual_seed(seed)
    models.save(folder, models.build(SPEC), card())
    levels = dict.fromkeys(TASKS, np.linspace(0, 0.5, 101))
    write_calibration(folder / "calibration.h5", levels)
    steps = np.arange(10, 90, 10)
    history = pd.DataFrame({"step": np.tile(steps, 2), "cubes_seen": np.tile(steps * 64, 2)})
    history["split"] = np.repeat(["train", "validation"], len(steps))
    for name in ("total", *TASKS):
        history[f"loss_{name}"] = np.tile(1 / steps, 2) + rng.uniform(0, 0.02, 2 * len(steps))
    history.to_csv(folder / "history.csv", index=False)
    return folder


def arguments(root, labelled=True, objects=2):
    """The arguments of `write_report` for a made data set: 2 models with 2 seeds each."""
    rng = np.random.default_rng(0)
    train, *_ = write_stage_files(root, "train", ["a", "b"], objects, rng)
    test, frame, box = write_stage_files(root, "test", list(TEST_CLIPS), objects, rng)
    rows = [("train", c, "normal") for c in "ab"]
    for clip, event in TEST_CLIPS.items():
        text = "normal" if event is None else f"{event[0]}-{event[1]}:{event[2]}"
        rows.append(("test", clip, text if labelled else ""))
    manifest = pd.DataFrame(rows, columns=["split", "clip", "labels"])
    manifest = manifest.assign(
        shard=0,
        source="clips",
        frames=FRAMES,
        fps=25.0,
        width=WIDTH,
        height=HEIGHT,
        tracks="",
        masks="",
    )
    manifest[MANIFEST].to_csv(root / "manifest.csv", index=False)
    models = [(model, seed) for model in ("all", "without_arrow") for seed in (0, 1)]
    runs = [write_run(root, model, seed, frame, box, labelled) for model, seed in models]
    for run in runs:
        explain(
            run / "explained.h5",
            weights=run / "model.safetensors",
            table=run / "frame_scores.csv",
            scores=sorted((run / "scores").glob("*.h5")),
            **{kind: [path] for kind, path in test.items()},
            settings=Cubes(),
            seen=Teachers(),
        )
    return {
        "output": root / "report.html",
        "dataset": "made & up",
        "config": {"score": {"sigma": 21}, "notes": ["The reader ran on <made> files only."]},
        "manifest": root / "manifest.csv",
        "runs": runs,
        **{kind: [train[kind], test[kind]] for kind in test},
    }
