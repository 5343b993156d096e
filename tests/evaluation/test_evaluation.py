"""The stage evaluate on made scores: every metric from an implementation of its own."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_files import write_scores
from sklearn.metrics import roc_auc_score
from test_region_track import one_by_one, slowly

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.evaluation import anomaly_map
from ssmtl.evaluation import evaluate as evaluation
from ssmtl.evaluation.anomaly_map import LEVELS, frame_scores, paint
from ssmtl.evaluation.settings import Evaluate
from ssmtl.formats.manifest import COLUMNS as MANIFEST

COLUMNS = ["middle_box", "combined", "speed"]
FRAMES, HEIGHT, WIDTH, RADIUS = 20, 21, 31, 3
SETTINGS = Evaluate(cell=2, filter_size=3, sigma=2.0)
CLIPS = {"01": "5-12:running", "02": "normal", "03": "9-16", "04": ""}


@pytest.fixture
def made(tmp_path):
    """A manifest, scores, tracks and masks of four clips; the arguments of `evaluate`."""
    rng = np.random.default_rng(3)
    rows, found = [], {}
    for clip, labels in CLIPS.items():
        frame = np.sort(rng.integers(RADIUS, FRAMES - RADIUS, 25))
        corner = rng.integers(0, 14, (25, 2))
        found[clip] = {
            "frame": frame.astype(np.int32),
            "box": np.hstack((corner, corner + 7)).astype(np.float32),
        }
        for column in COLUMNS:
            found[clip][column] = rng.random(25).astype(np.float32)
        tracks = masks = ""
        if "-" in labels:
            first, last = map(int, labels.split(":")[0].split("-"))
            tracks, masks = tmp_path / f"{clip}.txt", tmp_path / f"{clip}.npy"
            # Frame 1 lies before the first full window.
            lines = [f"{t % 2},{t},{t % 5},3,{t % 5 + 9},12" for t in (1, *range(first, last))]
            tracks.write_text("\n".join(lines))
            volume = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
            volume[1, :8, :9] = volume[first : last + 1, 4:15, 3:12] = True
            np.save(masks, volume)
        size = {"frames": FRAMES, "fps": 25.0, "width": WIDTH, "height": HEIGHT}
        name = {"split": "test", "shard": 0, "clip": clip, "source": "x", "labels": labels}
        rows.append(name | size | {"tracks": str(tracks), "masks": str(masks)})
    write_scores(tmp_path / "0.h5", COLUMNS, found, (FRAMES, WIDTH, HEIGHT), radius=RADIUS)
    pd.DataFrame(rows)[MANIFEST].to_csv(tmp_path / "manifest.csv", index=False)
    return {
        "output": tmp_path / "metrics.json",
        "table_path": tmp_path / "frame_scores.csv",
        "manifest": tmp_path / "manifest.csv",
        "scores": [tmp_path / "0.h5"],
        "dataset": "made",
        "model": "m",
        "settings": SETTINGS,
    }


def run(made):
    evaluation.evaluate(**made)
    return json.loads(made["output"].read_text())


def edit(made, clip, **values):
    table = pd.read_csv(made["manifest"], dtype=str, keep_default_na=False)
    for column, value in values.items():
        table.loc[table["clip"] == clip, column] = value
    table.to_csv(made["manifest"], index=False)


def map_of(frame, box, score):
    """The filtered map of every frame of a clip, float64 in steps of 1 / LEVELS, slowly."""
    painted = paint(frame, box, score, RADIUS, FRAMES - RADIUS, (HEIGHT, WIDTH), 2)
    padded = np.pad(
        np.pad(painted.astype(float), ((1, 1), (0, 0), (0, 0)), "edge"), ((0,), (1,), (1,))
    )
    _, rows, columns = painted.shape
    total = sum(
        padded[t : t + len(painted), y : y + rows, x : x + columns]
        for t in range(3)
        for y in range(3)
        for x in range(3)
    )
    whole = np.pad(total / 27, ((RADIUS, RADIUS), (0, 0), (0, 0)), "edge")
    return np.rint(whole * LEVELS) / LEVELS


def test_regions_and_pixels_follow_from_their_definitions(made, monkeypatch):
    monkeypatch.setattr(anomaly_map, "WINDOW", 6)
    metrics = run(made)
    table = pd.read_csv(made["manifest"], dtype=str, keep_default_na=False).set_index("clip")
    for column in COLUMNS:
        detections, regions, scores, labels = [], [], [], []
        with store.read(made["scores"][0], "scores") as file:
            for number, clip in enumerate(c for c, text in CLIPS.items() if text):
                group, start = file[clip], number * FRAMES
                frame, box = group["frame"][:], group["box"][:]
                volume = map_of(frame, box, group[column][:])
                large = volume.repeat(2, 1).repeat(2, 2)[:, :HEIGHT, :WIDTH]
                for time, corners in zip(frame.tolist(), box.astype(int).tolist(), strict=True):
                    x1, y1, x2, y2 = corners
                    # Half a cell counts, and boxes end on whole pixels: the cells that they touch.
                    score = large[time, y1 : y2 + y2 % 2, x1 : x2 + x2 % 2].max()
                    detections.append((start + time, tuple(corners), float(score)))
                mask = np.zeros(large.shape, bool)
                if table.masks[clip]:
                    mask = np.load(table.masks[clip])
                    for line in Path(table.tracks[clip]).read_text().splitlines():
                        track, time, *corners = map(int, line.split(","))
                        regions.append((start + time, tuple(corners), (clip, track)))
                scores.append(large.ravel())
                labels.append(mask.ravel())
        expected = slowly(detections, regions, 3 * FRAMES)
        authors = one_by_one(detections, regions, 3 * FRAMES)
        assert 0 < expected["rbdc"] < 1 and 0 < expected["tbdc"] < 1
        expected |= {f"{name}_authors": value for name, value in authors.items()}
        assert metrics["regions"][column] == pytest.approx(expected, abs=1e-6)
        auc = roc_auc_score(np.concatenate(labels), np.concatenate(scores))
        assert metrics["pixel_auc"][column] == pytest.approx(auc, abs=1e-6)


def test_frame_scores_are_those_of_the_map(made):
    run(made)
    frames = pd.read_csv(made["table_path"], dtype={"clip": str})
    with store.read(made["scores"][0], "scores") as file:
        for clip, group in file.items():
            expected = frame_scores(
                group["frame"][:],
                group["box"][:],
                group["combined"][:],
                frames=FRAMES,
                radius=RADIUS,
                shape=(HEIGHT, WIDTH),
                cell=2,
                filter_size=3,
            )
            assert np.allclose(frames[frames["clip"] == clip]["combined"], expected, atol=1e-6)


@pytest.mark.parametrize(("column", "metric"), [("tracks", "regions"), ("masks", "pixel_auc")])
def test_a_part_of_the_truth_is_a_gap_with_a_warning(made, caplog, column, metric):
    whole = run(made)
    edit(made, "03", **{column: ""})
    part = run(made)
    assert f"1 of 2 anomalous clips have no {column}" in caplog.text
    assert part.pop(metric) == {} and whole.pop(metric)
    assert part == whole


def test_without_truth_or_labels_there_is_a_gap_without_a_word(made, caplog):
    for clip in CLIPS:
        edit(made, clip, tracks="", masks="")
    metrics = run(made)
    assert metrics["regions"] == metrics["pixel_auc"] == {} and metrics["scores"]
    for clip in CLIPS:
        edit(made, clip, labels="")
    metrics = run(made)
    assert metrics["regions"] == metrics["pixel_auc"] == metrics["scores"] == {}
    assert not caplog.records


def test_bad_truth_stops_the_stage(made):
    path = made["output"].parent / "01.txt"
    path.write_text("1,20,0,0,5,5\n")
    with pytest.raises(InputError, match=r"01\.txt, line 1: frame 20 in a clip of 20 frames"):
        run(made)
    path.write_text("")
    np.save(path.with_suffix(".npy"), np.zeros((19, HEIGHT, WIDTH)))
    with pytest.raises(InputError, match=r"01\.npy: 19 masks for a clip of 20 frames"):
        run(made)
    assert not made["output"].exists()


def test_clips_without_objects(made):
    none = {"frame": np.zeros(0, np.int32), "box": np.zeros((0, 4), np.float32)}
    none |= {column: np.zeros(0, np.float32) for column in COLUMNS}
    write_scores(made["scores"][0], COLUMNS, dict.fromkeys(CLIPS, none), (FRAMES, WIDTH, HEIGHT))
    metrics = run(made)
    assert set(metrics["regions"]["combined"].values()) == {0}
    assert metrics["pixel_auc"]["combined"] == 0.5


def test_the_printed_table_has_what_there_is(made):
    text = evaluation.metrics_text(run(made))
    first, second, *rows = text.splitlines()
    assert first.split()[-5:] == ["RBDC", "TBDC", "RBDC", "TBDC", "pixel"]
    assert second.split() == ["padded", "strict", "normal", "added", "authors'", "authors'", "AUC"]
    assert len(rows) == 3 and all(len(row) == len(first) == len(second) for row in rows)
    for clip in CLIPS:
        edit(made, clip, tracks="")
    first, *rows = evaluation.metrics_text(run(made)).splitlines()
    assert "RBDC" not in first and first.endswith("pixel")


def test_both_borders_of_several_runs_with_mean_and_deviation():
    def run(model, seed, micro):
        row = {"micro": micro, "macro_padded": micro, "macro_strict": None}
        row["macro_normal_added"] = micro
        scores = {"zero": {"combined": row}, "replicate": {"combined": row}}
        about = {"model": model, "seed": seed, "border": "zero", "labelled": True}
        return about | {"scores": scores}

    runs = [run("a", 0, 0.9), run("a", 1, 0.94), run("b", 0, 0.5)]
    lines = evaluation.borders_text(runs).splitlines()
    assert len(lines) == 2 + 2 * len(runs) + 4
    found = {line[:40].strip(): line[40:].split() for line in lines[2:]}
    assert found["a, seed 1, border zero (its own)"] == ["94.0", "94.0", "-", "94.0"]
    assert found["a, 2 seeds, mean, border replicate"] == ["92.0", "92.0", "-", "92.0"]
    assert found["a, 2 seeds, deviation, border zero"] == ["2.8", "2.8", "-", "2.8"]
