"""Scores of any method: three foreign layouts against scikit-learn's AUC and the definitions."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.ndimage import gaussian_filter1d
from sklearn.metrics import roc_auc_score
from test_region_track import one_by_one, slowly

import ssmtl
from ssmtl.core.errors import InputError
from ssmtl.evaluation.measure import evaluate

CLIPS = {"1": 40, "2": 25, "10": 30}  # frames; in the order of their numbers
HEIGHT, WIDTH = 20, 24
TRUTH = {"1": (10, 24), "2": None, "10": (0, 29)}  # some, no and all frames anomalous


@pytest.fixture(scope="module")
def method():
    """Another method's frame scores, labels, boxes, tracks and masks, by clip."""
    rng = np.random.default_rng(5)
    labels = {clip: np.zeros(frames, int) for clip, frames in CLIPS.items()}
    masks = {clip: np.zeros((frames, HEIGHT, WIDTH), bool) for clip, frames in CLIPS.items()}
    tracks = {clip: [] for clip, interval in TRUTH.items() if interval}
    for clip, rows in tracks.items():
        first, last = TRUTH[clip]
        labels[clip][first : last + 1] = 1
        for frame in range(first, last + 1):
            x, y = 2 + frame % 9, 3
            masks[clip][frame, y : y + 8, x : x + 6] = True
            rows.append((frame // 15, frame, x, y, x + 6, y + 8))
    scores = {c: (0.3 * v + 0.7 * rng.random(len(v))).round(2) for c, v in labels.items()}
    boxes = []
    for clip, frames in CLIPS.items():
        for frame in rng.integers(0, frames, 90).tolist():
            x, y = int(rng.integers(0, 18)), int(rng.integers(0, 12))
            near = bool(masks[clip][frame, y : y + 8, x : x + 6].any())
            score = round(0.25 * near + 0.7 * rng.random(), 2)
            boxes.append((clip, frame, x, y, x + 6, y + 8, score))
    boxes = pd.DataFrame(boxes, columns=["clip", "frame", "x1", "y1", "x2", "y2", "score"])
    return {"scores": scores, "labels": labels, "boxes": boxes, "tracks": tracks, "masks": masks}


def by_scikit_learn(labels: dict, scores: dict) -> dict:
    """The frame metrics from their definitions."""

    def of(label, score, added=()):
        label, score = ([*v, *(row[i] for row in added)] for i, v in enumerate((label, score)))
        return roc_auc_score(label, score)

    clips = [(labels[clip], scores[clip]) for clip in labels]
    return {
        "micro": of(*(np.concatenate(list(v.values())) for v in (labels, scores))),
        "macro_padded": np.mean([of(*clip, added=[(0, 0), (1, 1)]) for clip in clips]),
        "macro_strict": np.mean([of(*clip) for clip in clips if len(set(clip[0])) == 2]),
        "macro_normal_added": np.mean(
            [of(*c, added=[] if 0 in c[0] else [(0, 0)]) for c in clips if 1 in c[0]]
        ),
    }


def by_definition(method) -> dict:
    """RBDC and TBDC, ours and the authors', threshold by threshold."""
    start = dict(zip(CLIPS, np.cumsum([0, *CLIPS.values()]).tolist(), strict=False))
    found = [
        (start[clip] + frame, tuple(box), score)
        for clip, frame, *box, score in method["boxes"].itertuples(index=False)
    ]
    # Of one score, detections come clip by clip, frame by frame, and then as in the file.
    found = sorted(found, key=lambda detection: detection[0])
    regions = [
        (start[clip] + frame, tuple(box), (clip, track))
        for clip, rows in method["tracks"].items()
        for track, frame, *box in rows
    ]
    frames = sum(CLIPS.values())
    authors = one_by_one(found, regions, frames)
    return slowly(found, regions, frames) | {f"{k}_authors": v for k, v in authors.items()}


def measure(capsys, *words) -> dict:
    """What the command finds, from the file that it writes."""
    from ssmtl import cli

    cli.main(["measure", *map(str, words)])
    return capsys.readouterr().out


def test_a_folder_with_an_array_per_clip(method, tmp_path, capsys):
    for kind in ("scores", "labels"):
        (tmp_path / kind).mkdir()
        for clip in CLIPS:
            np.save(tmp_path / kind / f"{clip}.npy", method[kind][clip])
    out = tmp_path / "found.json"
    text = measure(capsys, tmp_path / "scores", "--labels", tmp_path / "labels", "--output", out)
    found, expected = (
        json.loads(out.read_text()),
        by_scikit_learn(method["labels"], method["scores"]),
    )
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    assert found["rbdc"] is None and found["pixel_auc"] is None and found["alarms"] is None
    assert [row["clip"] for row in found["clips"]] == list(CLIPS)
    assert found["clips"][1]["auc"] is None and "scores as they are" in text
    assert f"macro, normal added {100 * expected['macro_normal_added']:>8.1f} %" in text


@pytest.mark.parametrize("form", ["npy", "npz", "mat", "npz with lengths"])
def test_one_array_with_lengths(method, tmp_path, capsys, form):
    joined = {kind: np.concatenate(list(method[kind].values())) for kind in ("scores", "labels")}
    suffix = form.split()[0]
    for kind, values in joined.items():
        path = tmp_path / f"{kind}.{suffix}"
        if suffix == "npy":
            np.save(path, values)
        elif suffix == "mat":
            savemat(path, {kind: values})
        elif form == "npz":
            np.savez(path, **{kind: values})
        else:
            about = {"lengths": list(CLIPS.values()), "clips": list(CLIPS)}
            np.savez(path, **{kind: values}, **about)
    words = [tmp_path / f"scores.{suffix}", "--labels", tmp_path / f"labels.{suffix}"]
    if "with" not in form:
        words += ["--lengths", ",".join(map(str, CLIPS.values()))]
    out = tmp_path / "found.json"
    measure(capsys, *words, "--output", out)
    found = json.loads(out.read_text())
    expected = by_scikit_learn(method["labels"], method["scores"])
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_boxes_with_scores(method, tmp_path, capsys):
    method["boxes"].to_csv(tmp_path / "boxes.csv", index=False)
    rows = ["clip,first,last"] + [
        f"{clip},{i[0]},{i[1]}" if i else f"{clip},," for clip, i in TRUTH.items()
    ]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    lengths = ["clip,frames"] + [f"{clip},{frames}" for clip, frames in CLIPS.items()]
    (tmp_path / "lengths.csv").write_text("\n".join(lengths))
    for kind in ("tracks", "masks"):
        (tmp_path / kind).mkdir()
    for clip, tracks in method["tracks"].items():
        lines = [",".join(map(str, row)) for row in tracks]
        (tmp_path / "tracks" / f"{clip}.txt").write_text("\n".join(lines))
        np.save(tmp_path / "masks" / f"{clip}.npy", method["masks"][clip])
    words = ["--boxes", tmp_path / "boxes.csv", "--labels", tmp_path / "labels.csv"]
    words += ["--lengths", tmp_path / "lengths.csv", "--tracks", tmp_path / "tracks"]
    words += ["--masks", tmp_path / "masks", "--output", tmp_path / "found.json"]
    measure(capsys, *words)
    found = json.loads((tmp_path / "found.json").read_text())
    expected = by_definition(method)
    assert 0 < expected["rbdc"] < expected["rbdc_authors"] < 1
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    frames, pixels = {}, []
    for clip, count in CLIPS.items():
        volume = np.zeros((count, HEIGHT, WIDTH))
        for row in method["boxes"].query("clip == @clip").itertuples():
            region = volume[row.frame, row.y1 : row.y2, row.x1 : row.x2]
            np.maximum(region, row.score, out=region)
        frames[clip] = volume.max((1, 2))
        pixels.append((method["masks"][clip].ravel(), volume.ravel()))
    micro = by_scikit_learn(method["labels"], frames)["micro"]
    assert found["micro"] == pytest.approx(micro, abs=1e-12)
    truth, scores = map(np.concatenate, zip(*pixels, strict=True))
    assert found["pixel_auc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)


def test_tracks_are_the_components_of_masks_where_that_is_asked_for(method, tmp_path, capsys):
    """The made boxes move by a pixel a frame, and jump back with every ninth frame."""
    tracks = {c: [(row[1] // 9, *row[1:]) for row in rows] for c, rows in method["tracks"].items()}
    expected = by_definition(method | {"tracks": tracks})
    given = {name: method[name] for name in ("scores", "labels", "boxes", "masks")}
    found = ssmtl.evaluate(**given, tracks="from_masks")
    assert {n: getattr(found, n) for n in expected} == pytest.approx(expected, abs=1e-9)
    assert expected["tbdc"] != by_definition(method)["tbdc"]
    refused("there are no masks", method["scores"], method["labels"], tracks="from_masks")
    (tmp_path / "masks").mkdir()
    (tmp_path / "labels").mkdir()
    for clip in CLIPS:
        np.save(tmp_path / "masks" / f"{clip}.npy", method["masks"][clip])
        np.save(tmp_path / "labels" / f"{clip}.npy", method["labels"][clip])
    method["boxes"].to_csv(tmp_path / "boxes.csv", index=False)
    words = ["--boxes", tmp_path / "boxes.csv", "--labels", tmp_path / "labels"]
    words += ["--lengths", ",".join(map(str, CLIPS.values())), "--tracks", "from_masks"]
    measure(capsys, *words, "--masks", tmp_path / "masks", "--output", tmp_path / "found.json")
    written = json.loads((tmp_path / "found.json").read_text())
    assert {n: written[n] for n in expected} == pytest.approx(expected, abs=1e-9)


def test_maps_of_any_range(method):
    rng = np.random.default_rng(2)
    maps = {c: (-3 + 9 * rng.random(m.shape) + m).round(3) for c, m in method["masks"].items()}
    found = ssmtl.evaluate(method["scores"], method["labels"], masks=method["masks"], maps=maps)
    truth, scores = (np.concatenate([v[c].ravel() for c in CLIPS]) for v in (method["masks"], maps))
    assert found.pixel_auc == pytest.approx(roc_auc_score(truth, scores), abs=1e-5)


def test_forms_in_memory_agree(method):
    scores, labels = method["scores"], method["labels"]
    expected = ssmtl.evaluate(scores, labels).metrics
    table = pd.DataFrame(
        [(c, i, v) for c in CLIPS for i, v in enumerate(scores[c])],
        columns=["clip", "frame", "score"],
    )
    intervals = {clip: [i] if i else [] for clip, i in TRUTH.items()}
    joined = [np.concatenate(list(values.values())) for values in (scores, labels)]
    for given in (
        (list(scores.values()), list(labels.values())),
        (table.sample(frac=1, random_state=0), labels),
        (scores, intervals),
        (
            {clip: v.tolist() for clip, v in scores.items()},
            {c: v.tolist() for c, v in labels.items()},
        ),
    ):
        assert ssmtl.evaluate(*given).metrics == pytest.approx(expected), given
    found = ssmtl.evaluate(*joined, lengths=list(CLIPS.values()))
    assert found.metrics == pytest.approx(expected)
    assert found.clips["clip"].tolist() == ["01", "02", "03"]


def test_nothing_is_smoothed_or_normalised_unasked(method):
    scores = {clip: 5 + 3 * values for clip, values in method["scores"].items()}
    raw = ssmtl.evaluate(scores, method["labels"])
    assert raw.micro == pytest.approx(by_scikit_learn(method["labels"], scores)["micro"])
    assert raw.macro_padded is None and raw.macro_normal_added is None
    units = {c: (v - v.min()) / (v.max() - v.min()) for c, v in scores.items()}
    named = {"normalise": "clip", "smoothing": "gaussian", "sigma": 3, "border": "replicate"}
    found = ssmtl.evaluate(scores, method["labels"], **named)
    smoothed = {c: gaussian_filter1d(v, 3, mode="nearest") for c, v in units.items()}
    expected = by_scikit_learn(method["labels"], smoothed)
    assert {name: found.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found.settings == named
    assert ssmtl.evaluate(scores, method["labels"], normalise="all").micro == raw.micro


def test_alarms_by_hand():
    """A frame a second, a pause of 2: frames 1 and 3 are one alarm, 9 another, 14 none."""
    score = np.zeros(20)
    score[[1, 3, 9]], score[14] = 0.9, 0.5
    label = np.zeros(20, int)
    label[[3, 4, 15]] = 1  # two anomalies; the first is met
    found = evaluate({"a": score}, {"a": label}, threshold=0.5, fps=1, pause=2).alarms
    assert (found.alarms, found.false_alarms, found.anomalies, found.found) == (2, 1, 2, 1)
    assert found.alarms_per_hour == pytest.approx(2 * 3600 / 20)
    assert found.false_alarms_per_hour == pytest.approx(3600 / 17)


def refused(words: str, *given, **options) -> None:
    with pytest.raises(InputError) as error:
        evaluate(*given, **options)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_what_does_not_fit_is_one_line(method, tmp_path):
    scores, labels, boxes = method["scores"], method["labels"], method["boxes"]
    refused("40 scores and 39 labels", scores, labels | {"1": labels["1"][:-1]})
    refused("no labels of clip 10", scores, {c: labels[c] for c in ("1", "2")})
    refused("labels of clip 11", scores, labels | {"11": [0]})
    refused("frame 3 is nan", scores | {"2": np.where(np.arange(25) == 3, np.nan, 0)}, labels)
    refused("labels must be 0 or 1", scores, labels | {"1": labels["1"] * 2})
    refused("give lengths", np.zeros(95), np.zeros(95))
    refused("95 values for 2 clips of 90", np.zeros(95), np.zeros(95), lengths=[40, 50])
    refused("go together", scores, labels, smoothing="gaussian")
    refused("none of 'gaussian'", scores, labels, smoothing="mean", sigma=3)
    refused("give fps", scores, labels, threshold=0.5)
    refused("frame 40 of 40", scores, labels, boxes=boxes.assign(frame=40, clip="1"))
    refused(
        "no tracks of clip 10", scores, labels, boxes=boxes, tracks={"1": method["tracks"]["1"]}
    )
    refused("give the frames of every clip", None, list(labels.values()), boxes=boxes)
    np.save(tmp_path / "pickled.npy", np.array([np.zeros(2), np.zeros(3)], object))
    refused("pickled objects, which are not read", tmp_path / "pickled.npy", labels)
    (tmp_path / "bad.csv").write_text("clip,frame,score\n1,0,0.5\n1,1.5,0.5\n")
    refused("bad.csv, line 3: 'frame' must be a whole number", tmp_path / "bad.csv", labels)
    (tmp_path / "few.csv").write_text("clip,frame\n1,0\n")
    refused("no column 'score'", tmp_path / "few.csv", labels)
    refused("no such file", tmp_path / "none.npz", labels)
