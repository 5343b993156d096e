"""The HTML report on made files: complete, self-contained, and right about its numbers."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from made_results import FRAMES, SECTIONS, TASKS, TEST_CLIPS, arguments, write_videos

from ssmtl.core.errors import InputError
from ssmtl.formats import tables
from ssmtl.formats.frame_scores import intervals
from ssmtl.learning import model as models
from ssmtl.reporting import clips, page, pictures, plots, published, series
from ssmtl.reporting.event_details import Footage, explained
from ssmtl.reporting.pages import report
from ssmtl.reporting.runs import load_models
from ssmtl.scoring import events
from ssmtl.scoring.objects import ScoringModel, predictions

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


def render(options):
    """The page and its text."""
    report.write_report(**options)
    html = options["output"].read_text()
    found = Page(html)
    assert set(found.ids) >= SECTIONS
    assert len(found.ids) == len(set(found.ids))
    assert all(ref.startswith(("#", "data:")) for ref in found.references)
    assert {ref[1:] for ref in found.references if ref[0] == "#"} <= set(found.ids)
    text = re.sub(r"\s+", " ", " ".join(found.text))
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)
    return html, text


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    options = arguments(tmp_path_factory.mktemp("made"))
    options["config"] |= {"published": "ped2"}
    folder = options["output"].parent / "benchmarks"
    folder.mkdir()
    for seed, memory in enumerate(("200.0", "-")):
        line = f"{10 + seed}.25\t0:00:10\t{memory}"
        (folder / f"train_all_{seed}.tsv").write_text(f"s\th:m:s\tmax_rss\n{line}\n")
    options |= {"benchmarks": folder}
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
    assert rbdc == tbdc == series.UNKNOWN and "±" in pixel


def test_counts_sizes_and_config(labelled):
    options, html, text = labelled
    size = page.file_size(options["cubes"][1].stat().st_size)
    assert f"cubes test 1 3 240 objects {size}" in text
    shown = Page(html).text
    config = next(part for part in shown if part.startswith("score:"))
    assert yaml.safe_load(config) == options["config"]
    assert "train 2 21.5 209.7 MB" in text and "torch 2.15.0" in text
    assert "depth shallow" in text and "width narrow" in text and "validation clips 1" in text


def test_equal_input_gives_equal_bytes(labelled):
    options, html, _ = labelled
    report.write_report(**options)
    assert options["output"].read_text() == html
    assert [p.name for p in options["output"].parent.glob(".*")] == []


def test_unlabelled_data_set(tmp_path):
    options = arguments(tmp_path, labelled=False)
    html, text = render(options | {"runs": options["runs"][::2]})
    assert text.count("This data set has no labels") == 4
    assert "micro AUC" not in text and "published results" not in text
    assert html.count('class="clip"') == 2 * len(TEST_CLIPS)
    assert "what one frame in ten reaches" in text


def test_data_set_without_objects(tmp_path):
    options = arguments(tmp_path, objects=0)
    _, text = render(options | {"runs": options["runs"][:1]})
    assert "No object was scored here." in text


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
    with pytest.raises(InputError, match=r"history\.csv, line 2: 'loss_total' is 'soon'"):
        tables.read_csv(broken, text=("split",))
    assert not output["output"].exists()


def clip_frames(scores, labels, kinds=None):
    """Rows of one clip as in frame_scores.csv, with the columns that events need."""
    count = len(scores)
    return pd.DataFrame(
        {
            "clip": "c",
            "frame": range(count),
            "label": np.array(labels, float),
            "kind": kinds or [""] * count,
            "combined_smoothed": np.array(scores, float),
        }
    )


def test_events_are_runs_of_frames():
    scores = [0.9, 0.8, 0.1, 0.6, 0.7, 0.1, 0.1, 0.1]
    frames = clip_frames(
        scores, [0, 0, 0, 0, 1, 1, 1, 0], ["", "", "", "", "run", "run", "fall", ""]
    )
    high, low = events.found_events([frames], 0.5)
    assert (high.first, high.last, high.peak, high.truth) == (0, 1, 0, "normal")
    assert (low.first, low.last, low.peak, low.truth) == (3, 4, 4, "run")
    # The stretch of "run" was found; that of "fall" was not.
    assert [(e.first, e.last, e.truth) for e in events.missed_events([frames], 0.5)] == [
        (6, 6, "fall")
    ]


def test_empty_ground_is_no_event():
    frames = clip_frames([0.0] * 4, [np.nan] * 4)
    assert events.threshold(frames) == 0
    assert events.found_events([frames], 0.0) == []


def test_threshold_is_where_the_roc_is_highest():
    frames = clip_frames([0.1, 0.6, 0.65, 0.3, 0.7, 0.8], [0, 0, 0, 1, 1, 1])
    # At 0.7 two of three anomalous frames and no normal one; at 0.3 all three, but two normal.
    assert events.threshold(frames) == pytest.approx(0.7)
    unlabelled = clip_frames(np.linspace(0, 1, 11), [np.nan] * 11)
    assert events.threshold(unlabelled) == pytest.approx(0.9)


def test_an_event_is_explained_by_its_highest_object(labelled):
    options, html, _ = labelled
    run = load_models(options["runs"])["all"][0]
    level = events.threshold(run.frames)
    first = events.found_events(run.clips.values(), level)[0]
    objects = run.objects.query("clip == @first.clip and @first.first <= frame <= @first.last")
    best = objects.loc[objects["combined"].idxmax()]
    [shown] = explained(run, Footage(options["frames"]), [first])
    assert shown["frame"] == best["frame"]
    details = shown["object"]
    assert details["scores"]["combined"] == pytest.approx(best["combined"])
    # The calibration is uniform up to 0.5 and ends there.
    task = min(TASKS, key=lambda name: best[name])
    assert details["shares"][task] == pytest.approx(min(2 * best[task], 1), abs=0.02)
    teacher = {row["name"]: row["teacher"] for row in details["classes"]}
    expected = ["person", "bicycle", "vehicle"][int(best["frame"]) % 3]
    assert max(teacher, key=teacher.get) == expected
    assert f"dominant task is <strong>{series.title(details['dominant_task'])}</strong>" in html
    assert details["middle"]["original"]["width"] == 64
    assert details["strip"]["src"] in html


def test_predictions_have_the_scores_of_the_model(labelled):
    options, *_ = labelled
    reduction = {"distillation": {"reduction": "mean"}}
    model, _ = models.load(options["runs"][0] / "model.safetensors", reduction)
    cubes = np.random.default_rng(0).integers(0, 255, (3, 7, 64, 64, 3), np.uint8)
    seen = predictions(model, cubes)
    teacher = np.full((3, 3), 0.25, np.float32)
    scores = ScoringModel(model, torch.device("cpu"))(cubes, {"class_probs": teacher})
    error = np.abs(seen["middle_box"] / 255 - cubes[:, 3] / 255).mean((1, 2, 3))
    # The picture is rounded and clipped to what can be shown.
    np.testing.assert_allclose(error, scores["middle_box"], atol=0.05)
    difference = np.abs(seen["class_probs"] - teacher).mean(1)
    np.testing.assert_allclose(difference, scores["distillation"], rtol=1e-5)


def blocks(html):
    """The JSON in the page, by the id of its element."""
    pattern = r'<script type="application/json" id="([^"]+)">(.*?)</script>'
    return {name: json.loads(text) for name, text in re.findall(pattern, html)}


def test_panels_hold_boxes_and_ground_truth(labelled):
    options, html, _ = labelled
    data = blocks(html)
    panel = data["timeline-1-2-data"]
    assert panel["truth"] == [[20, 39, "<falling>"]] and panel["fps"] == 25
    run = load_models(options["runs"])["all"][0]
    objects = run.objects.query("clip == '02'")
    assert panel["boxes"]["frame"] == objects["frame"].tolist()
    np.testing.assert_allclose(panel["boxes"]["score"], objects["combined"], atol=6e-4)
    assert panel["start"] == objects.loc[objects["combined"].idxmax(), "frame"]
    assert panel["video"] is None and "<video" not in html
    # All frames of so small a data set are kept.
    assert list(data["stills-1"]["pictures"]) == [str(frame) for frame in range(FRAMES)]
    curves = {(t["meta"]["column"], t["meta"]["curve"]) for t in panel["figure"]["data"]}
    assert curves == {(c, k) for c in ("combined", *TASKS) for k in ("raw", "smoothed")}
    shaded = [s for s in panel["figure"]["layout"]["shapes"] if s["type"] == "rect"]
    assert [(s["x0"], s["x1"]) for s in shaded] == [(19.5, 39.5)]


def test_videos_are_embedded_or_linked(tmp_path, monkeypatch):
    options = arguments(tmp_path)
    folder = write_videos(tmp_path / "films")  # whatever the folder is called
    html, _ = render(options | {"videos": [folder]})
    panel = blocks(html)["timeline-1-1-data"]
    assert base64.b64decode(panel["video"]["data"]) == (folder / "01.mp4").read_bytes()
    assert blocks(html)["timeline-2-1-data"]["video"] is None
    monkeypatch.setattr(clips, "EMBEDDED", 1000)
    html, _ = render(options | {"videos": [folder]})
    assert blocks(html)["timeline-1-1-data"]["video"] == {"url": "films/01.mp4"}
    for model, seed in (("all", 5), ("other", 0)):
        other = write_videos(tmp_path / f"{model}-{seed}" / "all/seed0", model=model, seed=seed)
        with pytest.raises(InputError, match=f"the model {model}, seed {seed}, which is not on"):
            report.write_report(**options | {"videos": [other]})
    with pytest.raises(InputError, match=r"films/all/seed0/videos\.json: no such file"):
        report.write_report(**options | {"videos": [folder / "all/seed0"]})
    (folder / "02.mp4").unlink()
    with pytest.raises(InputError, match=r"02\.mp4: no such video"):
        report.write_report(**options | {"videos": [folder]})


def test_small_frames_stay_within_their_budget():
    assert clips.thinning(1000, 100) == 1
    for encoded, frames in ((10_000, 1800), (12_345, 40_000)):
        step = clips.thinning(encoded, frames)
        assert encoded * frames / step <= clips.BYTES < encoded * frames / (step - 1)


def test_both_papers_and_the_project_are_cited(labelled):
    _, _, text = labelled
    assert text.count("@inproceedings") == 2 and "@software{ssmtl," in text


def test_intervals_split_where_the_kind_changes():
    frames = pd.DataFrame({"frame": range(8), "label": [0, 1, 1, 1, 0, 1, 0, np.nan]})
    frames["kind"] = ["", "a", "a", "b", "", "b", "", ""]
    assert intervals(frames) == [(1, 2, "a"), (3, 3, "b"), (5, 5, "b")]


def test_cube_strip_greys_frames_that_do_not_exist():
    cube = np.full((3, 4, 4, 3), 7, np.uint8)
    strip = pictures.cube_strip(cube, np.array([1, 3]))
    assert strip.shape == (4, 3 * 4 + 2 * 2, 3)
    assert (
        (strip[:, :4] == 128).all() and (strip[:, 6:10] == 7).all() and (strip[:, 12:] == 7).all()
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, series.UNKNOWN), (float("nan"), series.UNKNOWN), (0.91449, "91.4"), (1.0, "100.0")],
)
def test_percent(value, text):
    assert page.percent(value) == text


def test_a_random_teacher_is_named():
    config = {"notes": ["first"], "teachers": {"resnet": "random"}}
    first, second = page.notes_of(config)
    assert first == "first" and second.startswith("Random teacher")
    assert page.notes_of({"teachers": {"resnet": "imagenet"}}) == []


def test_spread_ignores_what_is_not_known():
    assert page.spread([0.9, None, 0.8, float("nan")]) == "85.0 ± 7.1"
    assert page.spread([0.9, None]) == "90.0"
    assert page.spread([]) == series.UNKNOWN


def test_file_size():
    sizes = [page.file_size(n) for n in (0, 999, 1000, 3_400_000, 9e9, 5e12)]
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
    assert series.best_step(history) == 20
    assert series.best_step(history[:3]) is None
    files = [tmp_path / "first.svg", tmp_path / "second.svg"]
    for file in files:
        plots.save(plots.history_figure(history), file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert b"middle box" in files[0].read_bytes()
