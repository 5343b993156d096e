"""The HTML report on made files: complete, self-contained, and right about its numbers."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from ssmtl import media, store
from ssmtl.errors import InputError
from ssmtl.manifest import COLUMNS as MANIFEST
from ssmtl.reporting import plots, published, report

TASKS = ["arrow_of_time", "motion_irregularity", "middle_box", "distillation"]
COLUMNS = [*TASKS, "combined", "speed"]
FRAMES, WIDTH, HEIGHT = 40, 96, 64
TEST_CLIPS = {"01": (12, 27, "running"), "02": (20, 39, "<falling>"), "03": None}
SECTIONS = {
    "summary", "metrics", "kinds", "clips", "timelines", "roc", "training", "objects", "run",
}  # fmt: skip
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks the nesting of the elements and collects ids, references and text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.ids, self.references, self.text = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name in ("src", "href", "xlink:href", "srcset", "data", "poster"):
            if name in attributes:
                self.references.append(attributes[name])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)


def write_stage_files(root, split, clips, objects, rng):
    """The four stage files of one split and shard; returns their paths by kind."""
    folder = root / "data" / split / "0"
    size = {"frames": FRAMES, "width": WIDTH, "height": HEIGHT}
    paths = {k: folder / f"{k}.h5" for k in ("frames", "detections", "cubes", "teachers")}
    pictures = [rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(FRAMES)]
    encoded = [media.encode_jpeg(picture, 60) for picture in pictures]
    frame = np.repeat(np.arange(FRAMES), objects).astype(np.int32)
    corner = rng.uniform(0, 40, (len(frame), 2))
    box = np.hstack([corner, corner + 16]).astype(np.float32)
    cubes = rng.integers(0, 255, (len(frame), 7, 64, 64, 3), dtype=np.uint8)
    valid = np.tile(np.array([[1, 7]], np.int16), (len(frame), 1))
    with store.create(paths["frames"], "frames") as file:
        for clip in clips:
            group = file.create_group(clip)
            group["bytes"] = np.frombuffer(b"".join(encoded), np.uint8)
            group["offsets"] = np.cumsum([0, *map(len, encoded)])
            group.attrs.update(size, fps=25.0, encoding="jpeg", source=f"clips/{clip}", digest="")
    content = {
        "detections": {"frame": frame, "box": box},
        "cubes": {"frame": frame, "box": box, "cubes": cubes, "valid": valid},
        "teachers": {"class_probs": np.zeros((len(frame), 3), np.float32)},
    }
    for kind, values in content.items():
        with store.create(paths[kind], kind) as file:
            for clip in clips:
                group = file.create_group(clip)
                group.attrs.update(size)
                for name, rows in values.items():
                    group[name] = rows
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
                }
                for c in COLUMNS
            }
            for border in ("zero", "replicate")
        },
        "regions": {
            c: {name: float(rng.uniform(0.1, 1)) for name in ("rbdc", "tbdc")} for c in COLUMNS
        } if labelled else {},
        "pixel_auc": {c: float(rng.uniform(0.1, 1)) for c in COLUMNS} if labelled else {},
        "kinds": {k: auc(pd.concat([table[table["kind"] == k], normal])) for k in kinds},
        "clips": {
            c: {"frames": FRAMES, "anomalous": int(n), "objects": 80, "auc": auc(clips[c])}
            for c, n in (table["label"] == 1).groupby(table["clip"]).sum().items()
        },
    }  # fmt: skip


def write_run(root, model, seed, frame, box, labelled):
    """One model folder with all its files."""
    rng = np.random.default_rng(seed + len(model))
    folder = root / "models" / model / f"seed{seed}"
    with store.create(folder / "scores" / "0.h5", "scores", columns=json.dumps(COLUMNS)) as file:
        for clip in TEST_CLIPS:
            group = file.create_group(clip)
            group["frame"], group["box"] = frame, box
            for column in COLUMNS:
                group[column] = rng.uniform(0, 1, len(frame)).astype(np.float32)
            group.attrs.update(frames=FRAMES, width=WIDTH, height=HEIGHT)
    table = frame_table(rng, labelled)
    table.to_csv(folder / "frame_scores.csv", index=False)
    metrics = measure(table, labelled, model, seed, rng)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    info = {
        "spec": {"tasks": TASKS, "depth": "deep", "width": "narrow", "classes": ["person"]},
        "settings": {},
        "best": {"step": 40, "validation_loss": float("nan")},
        "versions": {"ssmtl": "0.1.0", "torch": "2.15.0"},
        "train": {"clips": 2, "objects": 160, "cubes_seen": 4096, "validation_clips": ["b"]},
    }
    (folder / "model.json").write_text(json.dumps(info))
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
    return {
        "output": root / "report.html",
        "dataset": "made & up",
        "config": {"score": {"sigma": 21}, "notes": ["The reader ran on <made> files only."]},
        "manifest": root / "manifest.csv",
        "runs": [write_run(root, model, seed, frame, box, labelled) for model, seed in models],
        **{kind: [train[kind], test[kind]] for kind in test},
    }


def render(options):
    """The page and its text."""
    report.write_report(**options)
    html = options["output"].read_text()
    page = Page(html)
    assert set(page.ids) >= SECTIONS
    assert len(page.ids) == len(set(page.ids))
    assert all(ref.startswith(("#", "data:image/")) for ref in page.references)
    assert {ref[1:] for ref in page.references if ref[0] == "#"} <= set(page.ids)
    assert "http" not in html and "@import" not in html
    text = re.sub(r"\s+", " ", " ".join(page.text))
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)
    return html, text


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    options = arguments(tmp_path_factory.mktemp("made"))
    options["config"] |= {"published": "ped2"}
    options |= {"stage_seconds": {"train": 12.34}}
    return options, *render(options)


def test_numbers_of_every_run_are_there(labelled):
    options, _, text = labelled
    for run in options["runs"]:
        metrics = json.loads((run / "metrics.json").read_text())
        for table in metrics["scores"].values():
            for values in table.values():
                assert all(f"{100 * value:.1f}" in text for value in values.values())
        places = [metrics["pixel_auc"], *metrics["regions"].values()]
        assert all(f"{100 * value:.1f}" in text for values in places for value in values.values())
    assert "A dash" not in text


def test_summary_has_the_mean_over_the_seeds_and_the_baseline(labelled):
    options, _, text = labelled
    metrics = [json.loads((run / "metrics.json").read_text()) for run in options["runs"][:2]]
    combined, speed = (
        100 * np.array([m["scores"]["replicate"][c]["micro"] for m in metrics])
        for c in ("combined", "speed")
    )
    assert f"micro AUC of {combined.mean():.1f} ± {combined.std(ddof=1):.1f} %" in text
    gap = combined.mean() - speed.mean()
    side = "above" if gap > 0 else "below"
    assert f"{abs(gap):.1f} points {side} the box-speed baseline" in text
    assert "3 test clips with 120 frames , 36 of them" in text.replace("frames,", "frames ,")


def test_names_and_notes_are_escaped(labelled):
    _, html, text = labelled
    assert "The reader ran on <made> files only." in text
    assert "<falling>" in text and "<falling>" not in html
    assert "made & up" in text


def test_published_results_stand_beside_ours(labelled):
    _, _, text = labelled
    for row in published.RESULTS["ped2"]:
        assert row.method in text and str(row.micro) in text
    assert published.DIFFERENCES in text


def test_regions_stand_beside_published_ones(labelled):
    options, html, _ = labelled
    runs = [json.loads((run / "metrics.json").read_text()) for run in options["runs"][:2]]
    row = re.search(r'<tr class="ours">.*?</tr>', html, re.DOTALL)[0]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
    for cell, name in zip(cells[2:4], ("rbdc", "tbdc"), strict=True):
        values = 100 * np.array([run["regions"]["combined"][name] for run in runs])
        assert cell == f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def test_missing_tracks_and_masks_are_dashes_with_a_note(tmp_path):
    options = arguments(tmp_path)
    for run in options["runs"]:
        metrics = json.loads((run / "metrics.json").read_text())
        (run / "metrics.json").write_text(json.dumps(metrics | {"regions": {}}))
    html, text = render(options)
    assert "A dash: this data set has no tracks (for RBDC and TBDC)." in text
    row = re.search(r'<tr class="combined">.*?</tr>', html, re.DOTALL)[0]
    *_, rbdc, tbdc, pixel = re.findall(r"<td[^>]*>(.*?)</td>", row)
    assert rbdc == tbdc == plots.UNKNOWN and "±" in pixel


def test_counts_sizes_and_config(labelled):
    options, html, text = labelled
    size = report.file_size(options["cubes"][1].stat().st_size)
    assert f"cubes test 1 3 240 objects {size}" in text
    shown = Page(html).text
    config = next(part for part in shown if part.startswith("score:"))
    assert yaml.safe_load(config) == options["config"]
    assert "train 12.3" in text and "torch 2.15.0" in text
    assert "depth deep, width narrow" in text and "validation clips 1" in text


def test_equal_input_gives_equal_bytes(labelled):
    options, html, _ = labelled
    report.write_report(**options)
    assert options["output"].read_text() == html
    assert [p.name for p in options["output"].parent.glob(".*")] == []


def test_unlabelled_data_set(tmp_path):
    options = arguments(tmp_path, labelled=False)
    html, text = render(options | {"runs": options["runs"][::2]})
    assert text.count("This data set has no labels") == 3
    assert "micro AUC" not in text and "published results" not in text
    assert html.count("<figure") == 2 * (len(TEST_CLIPS) + 1)  # timelines and training


def test_data_set_without_objects(tmp_path):
    options = arguments(tmp_path, objects=0)
    _, text = render(options | {"runs": options["runs"][:1]})
    assert "No objects were found in the test clips." in text


def test_one_seed_has_no_spread(tmp_path):
    options = arguments(tmp_path)
    _, text = render(options | {"runs": options["runs"][:1]})
    assert "±" not in text.replace("mean ± standard deviation.", "") and "Every seed" not in text


def test_no_runs_and_broken_runs_are_input_errors(labelled, tmp_path):
    options, _, _ = labelled
    output = {"output": tmp_path / "report.html"}
    with pytest.raises(InputError, match="train and score one first"):
        report.write_report(**options | output | {"runs": []})
    with pytest.raises(InputError, match=r"absent.*model\.json"):
        report.write_report(**options | output | {"runs": [tmp_path / "absent"]})
    with pytest.raises(InputError, match="no results known for 'moon'"):
        report.write_report(**options | output | {"config": {"published": "moon"}})
    broken = tmp_path / "history.csv"
    broken.write_text("step,split,loss_total\n10,train,soon\n")
    with pytest.raises(InputError, match=r"history\.csv: missing or damaged"):
        report.read_csv(broken, text=("split",))
    assert not output["output"].exists()


def test_one_object_per_event():
    # One object walks right for 40 frames; another appears elsewhere, and one in another clip.
    frame = np.array([*range(40), 10, 10, 60])
    clip = np.array([0] * 41 + [1, 0])
    left = np.array([*range(40), 500, 0, 39], float)
    box = np.stack([left, left * 0, left + 20, left * 0 + 20], axis=1)
    scores = np.linspace(0.5, 0.9, 43)
    # The last is at the walker's place, but more than EVENT_FRAMES after it.
    assert report.event_rows(scores, clip, frame, box, 12) == [42, 41, 40, 39]
    assert report.event_rows(scores, clip, frame, box, 2) == [42, 41]


def test_intervals_split_where_the_kind_changes():
    frames = pd.DataFrame({"frame": range(8), "label": [0, 1, 1, 1, 0, 1, 0, np.nan]})
    frames["kind"] = ["", "a", "a", "b", "", "b", "", ""]
    assert plots.intervals(frames) == [(1, 2, "a"), (3, 3, "b"), (5, 5, "b")]


def test_cube_strip_greys_frames_that_do_not_exist():
    cube = np.full((3, 4, 4, 3), 7, np.uint8)
    strip = report.cube_strip(cube, np.array([1, 3]))
    assert strip.shape == (4, 3 * 4 + 2 * 2, 3)
    assert (
        (strip[:, :4] == 128).all() and (strip[:, 6:10] == 7).all() and (strip[:, 12:] == 7).all()
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, plots.UNKNOWN), (float("nan"), plots.UNKNOWN), (0.91449, "91.4"), (1.0, "100.0")],
)
def test_percent(value, text):
    assert report.percent(value) == text


def test_a_random_teacher_is_named():
    config = {"notes": ["first"], "teachers": {"resnet": "random"}}
    first, second = report.notes_of(config)
    assert first == "first" and second.startswith("Random teacher")
    assert report.notes_of({"teachers": {"resnet": "imagenet"}}) == []


def test_spread_ignores_what_is_not_known():
    assert report.spread([0.9, None, 0.8, float("nan")]) == "85.0 ± 7.1"
    assert report.spread([0.9, None]) == "90.0"
    assert report.spread([]) == plots.UNKNOWN


def test_file_size():
    sizes = [report.file_size(n) for n in (0, 999, 1000, 3_400_000, 9e9, 5e12)]
    assert sizes == ["0 bytes", "999 bytes", "1.0 kB", "3.4 MB", "9.0 GB", "5000.0 GB"]


def test_history_figure_marks_the_best_step_and_is_reproducible(tmp_path):
    history = pd.DataFrame(
        {
            "step": [10, 20, 30] * 2,
            "split": ["train"] * 3 + ["validation"] * 3,
            "loss_total": [3, 2, 1, 3, 1.5, 2],
            "loss_middle_box": [1, 1, 1, 1, 1, np.nan],
        }
    )
    assert plots.best_step(history) == 20
    assert plots.best_step(history[:3]) is None
    files = [tmp_path / "first.svg", tmp_path / "second.svg"]
    for file in files:
        plots.save(plots.history_figure(history), file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert b"middle box" in files[0].read_bytes()
