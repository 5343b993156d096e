"""What each stage writes, against the formats and computations done here independently."""

import csv
import json
from collections import Counter

import av
import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch
from footage import (
    ANOMALY,
    CLASSES,
    HEIGHT,
    TEST,
    TEST_SHARDS,
    TRAIN,
    WIDTH,
    X_SHARD,
    Pipeline,
    boxes_of,
    leftovers,
)

from ssmtl import networks
from ssmtl.core import store
from ssmtl.datasets.clips import shards_of
from ssmtl.formats.frames import Frames
from ssmtl.formats.manifest import read_manifest
from ssmtl.media.crops import crop

RADIUS, GAP, SIZE = 3, 4, 16
TASKS = ["arrow_of_time", "motion_irregularity", "middle_box", "distillation"]
LENGTHS = {"train": TRAIN, "test": TEST}


def clips_of(done: Pipeline, stage: str):
    """(split, clip, HDF5 group) of all clips in a stage's files."""
    for split, shards in (("train", 1), ("test", TEST_SHARDS)):
        for shard in range(shards):
            with store.read(done.path(stage, split, shard), stage) as file:
                for clip, group in file.items():
                    yield split, clip, group


def beside(group: h5py.Group, stage: str) -> h5py.Group:
    """The same clip in another stage's file of the same shard."""
    path = group.file.filename.rsplit("/", 1)[0]
    return h5py.File(f"{path}/{stage}.h5")[group.name]


def sources(done: Pipeline, split: str, clip: str) -> list[np.ndarray]:
    """The pictures of a clip's source, decoded without the package."""
    path = done.root / split / clip
    if path.is_dir():
        return [cv2.imread(str(file))[..., ::-1] for file in sorted(path.iterdir())]
    with av.open(str(path.with_suffix(".avi"))) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_manifest_lists_every_clip_with_its_frames_and_labels(done):
    table = read_manifest(done.manifest)
    found = {(row.split, row.clip): row for row in table.itertuples()}
    assert {key: row.frames for key, row in found.items()} == {
        (split, clip): frames for split, clips in LENGTHS.items() for clip, frames in clips.items()
    }
    assert (table.width == WIDTH).all() and (table.height == HEIGHT).all()
    assert found["test", "x"].labels == f"{ANOMALY[0]}-{ANOMALY[1]}:fast"
    assert found["test", "y"].labels == "normal"
    assert found["train", "a"].labels == ""
    assert found["train", "film"].fps == 20
    for row in found.values():
        shards = TEST_SHARDS if row.split == "test" else 1
        assert row.shard == shards_of(LENGTHS[row.split], shards)[row.clip]


def test_every_file_says_what_made_it_and_nothing_is_left_over(done):
    for path in done.results.rglob("*.h5"):
        with h5py.File(path) as file:
            assert {"kind", "ssmtl", "settings"} <= set(file.attrs)
            assert isinstance(store.settings_of(file), dict)
    assert not leftovers(done.results)
    assert not list(done.results.rglob(".*")), "hidden state of a finished run"


def test_clips_lie_in_their_shard_and_a_shard_may_be_empty(done):
    held = []
    for shard in range(TEST_SHARDS):
        clips = set()
        for stage in ("frames", "detections", "cubes", "teachers"):
            with store.read(done.path(stage, "test", shard), stage) as file:
                clips.add(tuple(file))
        (names,) = clips  # the same in all stages
        held.append(names)
    assert sorted(map(len, held)) == [0, 1, 1]
    places = shards_of(LENGTHS["test"], TEST_SHARDS)
    assert all(places[name] == shard for shard, names in enumerate(held) for name in names)


def test_frames_are_the_sources_pictures_none_dropped_or_resampled(done):
    seen = 0
    for split, clip, group in clips_of(done, "frames"):
        frames, truth = Frames(group), sources(done, split, clip)
        assert len(frames) == len(truth) == LENGTHS[split][clip] == group.attrs["frames"]
        assert (group.attrs["width"], group.attrs["height"]) == (WIDTH, HEIGHT)
        folder = done.root / split / clip
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        encoding = "png" if clip == "x" else "jpeg"
        assert store.attribute(group, "encoding") == encoding
        for index, picture in enumerate(truth):
            if files and encoding == "jpeg":
                assert frames.encoded(index).tobytes() == files[index].read_bytes()
            if clip == "film":  # encoded again, at quality 95
                assert np.abs(frames[index].astype(int) - picture).mean() < 2
            else:
                assert (frames[index] == picture).all()
        assert all((a == frames[i]).all() for i, a in enumerate(frames.decoded()))
        assert group["offsets"][-1] == len(group["bytes"])
        seen += 1
    assert seen == 5


def test_frames_of_videos_can_be_lossless(copy):
    copy.path("frames").unlink()
    copy.make_frames("train", 0, "--encoding", "png")
    with store.read(copy.path("frames"), "frames") as file:
        assert store.attribute(file["film"], "encoding") == "png"
        assert (
            store.attribute(file["a"], "encoding") == "jpeg"
        )  # JPEG sources are copied all the same
        for index, picture in enumerate(sources(copy, "train", "film")):
            assert (Frames(file["film"])[index] == picture).all()
        assert store.settings_of(file) == {"encoding": "png", "fps": None, "quality": 95}


def test_detections_are_the_imported_boxes_with_their_class_vectors(done):
    for split, clip, group in clips_of(done, "detections"):
        truth = [(i, box) for i in range(LENGTHS[split][clip]) for box in boxes_of(clip, i)]
        assert group["frame"][:].tolist() == [i for i, _ in truth]
        limit = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
        assert np.allclose(group["box"][:], np.clip([box for _, box in truth], 0, limit))
        assert group["class_probs"].shape == (len(truth), 2)
        assert (group["class_id"][:] == group["class_probs"][:].argmax(1)).all()
        assert json.loads(group.file.attrs["classes"]) == CLASSES
        assert store.attribute(group.file, "detector") == "imported"
        types = {name: group[name].dtype.str[1:] for name in group}
        assert types == {
            "frame": "i4",
            "box": "f4",
            "confidence": "f4",
            "class_id": "i4",
            "class_probs": "f4",
        }


def test_boxes_below_the_confidence_are_left_out(copy):
    lines = (copy.root / "test.csv").read_text().splitlines()
    lines[1] = lines[1].replace(",0.9,", ",0.3,")
    (copy.root / "test.csv").write_text("\n".join(lines) + "\n")
    with store.read(copy.path("detections", "test", X_SHARD), "detections") as file:
        before = len(file["x"]["frame"])
    copy.make_detections("test", X_SHARD)
    with store.read(copy.path("detections", "test", X_SHARD), "detections") as file:
        assert len(file["x"]["frame"]) == before - 1
        assert file["x"]["frame"][0] == 1


def test_cubes_are_the_box_cropped_from_the_frames_around_it(done):
    """Every cube once more, frame by frame and one box at a time."""
    for split, _, group in clips_of(done, "cubes"):
        reach = RADIUS * GAP if split == "train" else RADIUS
        pictures = [torch.from_numpy(p) for p in map(np.copy, Frames(beside(group, "frames")))]
        frames = len(pictures)
        found = beside(group, "detections")
        full = [
            row for row, frame in enumerate(found["frame"][:]) if RADIUS <= frame < frames - RADIUS
        ]
        assert group["detection"][:].tolist() == full
        assert (group["time"][:] == beside(group, "frames")["time"][:]).all()
        assert (group["box"][:] == found["box"][:][full]).all()
        assert (group["frame"][:] == found["frame"][:][full]).all()
        assert group["cubes"].shape == (len(full), 2 * reach + 1, SIZE, SIZE, 3)
        assert group["cubes"].dtype == np.uint8
        for cube, frame, box, (start, stop) in zip(
            group["cubes"][:], group["frame"][:], group["box"][:], group["valid"][:], strict=True
        ):
            times = [int(frame) - reach + slot for slot in range(2 * reach + 1)]
            exist = [slot for slot, time in enumerate(times) if 0 <= time < frames]
            assert (start, stop) == (exist[0], exist[-1] + 1)
            for slot, time in enumerate(times):
                expected = np.zeros((SIZE, SIZE, 3))  # outside the clip
                if slot in exist:
                    expected = crop(pictures[time], torch.from_numpy(box[None]), SIZE)[0].numpy()
                assert (cube[slot] == expected).all()


def test_the_crop_is_the_mean_of_the_pixels_that_it_covers():
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[8:24, 16:48, 0] = np.arange(32) * 8
    whole = crop(torch.from_numpy(picture), torch.tensor([[16.0, 8.0, 48.0, 24.0]]), 16)[0]
    # 32 columns in 16 pixels: each the mean of two; 16 rows stay as they are.
    inner = whole[1:-1, 1:-1, 0].float()
    assert torch.equal(inner, (torch.arange(1, 15) * 16 + 4).float().expand(14, 14))


def test_training_cubes_are_thinned_the_same_way_every_time(copy, tmp_path):
    copy.make_cubes("train", 0, "--size", 16, "--train-stride", 2, "--train-max", 8)
    with store.read(copy.path("cubes"), "cubes") as file:
        chosen = {clip: group["detection"][:].tolist() for clip, group in file.items()}
    assert {len(rows) for rows in chosen.values()} == {8}
    assert all(rows == sorted(set(rows)) for rows in chosen.values())
    copy.path("cubes").unlink()
    copy.make_cubes("train", 0, "--size", 16, "--train-stride", 2, "--train-max", 8)
    with store.read(copy.path("cubes"), "cubes") as file:
        assert chosen == {clip: group["detection"][:].tolist() for clip, group in file.items()}


def test_teacher_rows_belong_to_the_cubes(done):
    network = networks.load("random")
    for split, clip, group in clips_of(done, "teachers"):
        cubes, found = beside(group, "cubes"), beside(group, "detections")
        rows = cubes["detection"][:]
        assert (group["class_probs"][:] == found["class_probs"][:][rows]).all()
        assert group.attrs["cubes"] == cubes.attrs["digest"]
        assert json.loads(group.file.attrs["classes"]) == CLASSES
        assert ("logits" in group) == (split == "train"), "ResNet-50 is not run at inference"
        if clip == "a":
            assert group["logits"].shape == (len(rows), 1000)
            middle = torch.from_numpy(cubes["cubes"][5:7, cubes["cubes"].shape[1] // 2])
            again = network.logits(middle, 32).numpy()
            assert np.allclose(group["logits"][5:7], again, atol=1e-4)


def test_the_model_card_says_what_was_trained_on(done):
    card = json.loads((done.model / "model.json").read_text())
    assert card["spec"]["tasks"] == TASKS
    assert card["spec"]["classes"] == CLASSES
    assert (card["spec"]["size"], card["spec"]["radius"]) == (SIZE, RADIUS)
    assert card["seed"] == 0
    (held,) = card["train"]["validation_clips"]  # 15 % of three clips, at least one
    with store.read(done.path("cubes"), "cubes") as file:
        objects = {clip: len(group["frame"]) for clip, group in file.items()}
    assert card["train"]["clips"] == 2
    assert card["train"]["validation_objects"] == objects.pop(held)
    assert card["train"]["objects"] == sum(objects.values())
    weights = safetensors.numpy.load_file(done.weights)
    assert all(np.isfinite(value).all() for value in weights.values())
    learnt = [v for name, v in weights.items() if name.endswith((".weight", ".bias"))]
    assert len(learnt) < len(weights)  # beside statistics of the batch norm and the teacher
    assert card["train"]["parameters"] == sum(values.size for values in learnt)
    assert not (done.model / ".state").exists()


def test_the_history_has_every_loss_of_both_splits(done):
    history = pd.read_csv(done.model / "history.csv")
    card = json.loads((done.model / "model.json").read_text())
    assert Counter(history["split"]) == {"train": 2, "validation": 2}
    losses = history[[f"loss_{task}" for task in TASKS]]
    weighted = losses.to_numpy() @ [1, 1, 1, 0.5]
    assert np.allclose(history["loss_total"], weighted, rtol=1e-3)
    assert history["step"].max() == 4 and abs(history["cubes_seen"].max() - 32) <= 8
    best = history[history["split"] == "validation"]["loss_total"].min()
    assert card["best"]["validation_loss"] == pytest.approx(best, rel=1e-4)


def test_training_twice_gives_the_same_weights(copy, done):
    for path in copy.model.glob("*.*"):
        path.unlink()
    copy.make_model()
    assert copy.weights.read_bytes() == done.weights.read_bytes()
    assert (copy.model / "history.csv").read_text() == (done.model / "history.csv").read_text()


def test_scores_are_in_range_and_row_by_row_those_of_the_cubes(done):
    clips = []
    for shard, path in enumerate(done.scores()):
        with store.read(path, "scores") as file:
            columns = json.loads(file.attrs["columns"])
            assert columns == [*TASKS, "combined", "speed"]
            with store.read(done.path("cubes", "test", shard), "cubes") as cubes:
                assert list(file) == list(cubes)
                for clip, group in file.items():
                    assert (group["frame"][:] == cubes[clip]["frame"][:]).all()
                    assert (group["box"][:] == cubes[clip]["box"][:]).all()
                    values = np.stack([group[column][:] for column in columns])
                    assert values.dtype == np.float32
                    assert (values >= 0).all() and (values <= 1).all()
                    assert np.allclose(group["combined"][:], values[:4].mean(0), atol=1e-6)
                    assert group.attrs["frames"] == TEST[clip]
                    clips.append(clip)
    assert sorted(clips) == sorted(TEST)


def test_calibration_is_the_distribution_on_the_held_out_clips(done):
    with store.read(done.model / "calibration.h5", "calibration") as file:
        assert sorted(file) == sorted(TASKS)
        for values in (group[:] for group in file.values()):
            assert values.shape == (1001,)
            assert (np.diff(values) >= 0).all()


def test_ecdf_fusion_is_the_mean_place_among_normal_scores(copy):
    copy.make_scores(X_SHARD, "--fusion", "ecdf")
    with (
        store.read(copy.scores()[X_SHARD], "scores") as file,
        store.read(copy.model / "calibration.h5", "calibration") as normal,
    ):
        group, places = file["x"], []
        for task in TASKS:
            # The share of normal objects that score lower, by counting.
            places.append([(normal[task][:] < value).mean() for value in group[task][:]])
        assert np.allclose(group["combined"][:], np.mean(places, axis=0), atol=0.01)


def test_frame_scores_cover_every_frame_once_in_order(done):
    table = pd.read_csv(done.metrics[1])
    assert [*zip(table["clip"], table["frame"], strict=True)] == [
        (clip, frame) for clip in sorted(TEST) for frame in range(TEST[clip])
    ]
    columns = [*TASKS, "combined", "speed"]
    expected = ["clip", "frame", "label", "kind", "objects"]
    assert list(table) == expected + [c + end for c in columns for end in ("", "_smoothed")]
    for clip, part in table.groupby("clip"):
        for column in columns:
            values = part[column].to_numpy()
            assert (values >= 0).all() and (values <= 1).all()
            assert (values[:3] == values[3]).all() and (values[-3:] == values[-4]).all()
        truth = [len(boxes_of(clip, frame)) for frame in range(3, TEST[clip] - 3)]
        assert part["objects"].tolist() == [0, 0, 0, *truth, 0, 0, 0]
        anomalous = [clip == "x" and ANOMALY[0] <= f <= ANOMALY[1] for f in part["frame"]]
        assert part["label"].tolist() == anomalous
        assert (part["kind"].notna() == anomalous).all()


def area_under(labels, scores) -> float:
    """AUC by its definition: how often an anomalous frame scores higher than a normal one."""
    labels, scores = np.asarray(labels, bool), np.asarray(scores, float)
    above = scores[labels][:, None] - scores[~labels][None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def test_metrics_follow_from_the_frame_scores(done):
    metrics = json.loads(done.metrics[0].read_text())
    table = pd.read_csv(done.metrics[1])
    assert (metrics["dataset"], metrics["model"], metrics["seed"]) == ("tiny", "small", 0)
    assert (metrics["border"], metrics["sigma"]) == ("zero", 21)
    assert metrics["frames"] == sum(TEST.values()) and metrics["anomalous_frames"] == 10
    assert metrics["objects"] == table["objects"].sum()
    x, y = (table[table["clip"] == clip] for clip in ("x", "y"))
    for column in metrics["columns"]:
        scores = f"{column}_smoothed"
        row = metrics["scores"]["zero"][column]
        assert row["micro"] == pytest.approx(area_under(table["label"], table[scores]), abs=2e-3)
        strict = area_under(x["label"], x[scores])
        assert row["macro_strict"] == pytest.approx(strict, abs=2e-3)
        both = [area_under([*c["label"], 0, 1], [*c[scores], 0, 1]) for c in (x, y)]
        assert row["macro_padded"] == pytest.approx(np.mean(both), abs=2e-3)
        assert metrics["clips"]["x"]["auc"][column] == pytest.approx(strict, abs=2e-3)
        assert metrics["clips"]["y"]["auc"][column] is None
        assert metrics["kinds"]["fast"][column] == row["micro"]
    assert metrics["clips"]["y"]["anomalous"] == 0


def test_other_border_rule_changes_the_smoothed_columns_only(copy, done):
    copy.make_metrics("--border", "replicate")
    ours, theirs = (json.loads(p.metrics[0].read_text()) for p in (copy, done))
    assert ours["border"] == "replicate"
    assert ours["scores"] == theirs["scores"], "both rules are always reported"
    a, b = pd.read_csv(copy.metrics[1]), pd.read_csv(done.metrics[1])
    assert (a["combined"] == b["combined"]).all()
    assert (a["combined_smoothed"] > b["combined_smoothed"]).all()


def test_unlabelled_footage_is_scored_without_an_auc(copy, capsys):
    (copy.root / "labels.csv").unlink()
    copy.make_manifest()
    copy.make_metrics()
    metrics = json.loads(copy.metrics[0].read_text())
    assert metrics["labelled"] is False and metrics["scores"] == {} and metrics["kinds"] == {}
    assert metrics["clips"]["x"]["auc"]["combined"] is None
    assert pd.read_csv(copy.metrics[1])["label"].isna().all()
    assert "no labels, so no AUC" in capsys.readouterr().out


def test_a_second_run_computes_only_the_clip_that_changed(copy, caplog):
    """Finished clips are taken from the output itself; others are made again."""
    path = copy.path("cubes")
    before = path.read_bytes()
    lines = (copy.root / "train.csv").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("b,10,")]
    (copy.root / "train.csv").write_text("\n".join(kept) + "\n")
    copy.make_detections()
    caplog.set_level("INFO", logger="ssmtl")
    caplog.clear()
    copy.make_cubes()
    finished = {m.split("clip ")[1].split()[0] for m in caplog.messages if "already" in m}
    assert finished == {"a", "film"}
    (copy.root / "train.csv").write_text("\n".join(lines) + "\n")
    copy.make_detections()
    copy.make_cubes()
    assert path.read_bytes() == before, "equal input gives equal bytes"


def test_single_clip_holds_out_its_own_end(copy, caplog):
    rows = list(csv.reader(copy.manifest.open()))
    kept = [row for row in rows if row[0] != "train" or row[2] == "a"]
    copy.manifest.write_text("\n".join(map(",".join, kept)) + "\n")
    copy.make_frames(), copy.make_detections(), copy.make_cubes(), copy.make_teachers()
    copy.make_model()
    card = json.loads((copy.model / "model.json").read_text())
    assert card["train"]["validation_clips"] == ["a"]
    assert "one training clip only" in caplog.text
    copy.make_calibration()
