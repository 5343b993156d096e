"""Every bad input ends with status 2, one line that names it, and nothing half-written."""

import shutil
from urllib.error import URLError

import av
import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from footage import TEST, TEST_SHARDS, X_SHARD, run, write_boxes, write_folder, write_video

from ssmtl import detection
from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.datasets.clips import shards_of
from ssmtl.detection import base
from ssmtl.learning import training
from ssmtl.learning.model import Model
from ssmtl.scoring.objects import check_range


def says(line: str, *words: str) -> None:
    """The line names what, where and what to do."""
    for word in words:
        assert word in line, f"{word!r} is missing in: {line}"


def cut(path, share: float) -> None:
    """Truncates a file to a share of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


# Footage


@pytest.mark.parametrize("frame", [12, 20, 24])
def test_truncated_avi_is_noticed_by_its_frame_count(copy, refused, frame):
    """Cut shortly before the end of a frame, which a decoder would fill up."""
    film = copy.root / "train" / "film.avi"
    with av.open(str(film)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    assert len(packets) == 25
    start, size = packets[frame]
    film.write_bytes(film.read_bytes()[: start + size - 20])
    copy.make_manifest()
    copy.path("frames").unlink()
    line = refused(copy.make_frames, absent=[copy.path("frames")], within=copy.results / "train")
    says(line, "film.avi", f"{frame} of 25 frames decoded", "truncated", "film", "exclude")


def test_truncated_mp4_without_its_index_is_no_video(copy, refused):
    """An MP4's index is at its end."""
    film = copy.root / "train" / "film.avi"
    film.unlink()
    write_video(film.with_suffix(".mp4"), "film", 25, "mpeg4")
    copy.make_manifest()
    cut(film.with_suffix(".mp4"), 0.6)
    copy.manifest.unlink()
    line = refused(copy.make_manifest, absent=[copy.manifest], within=copy.results)
    says(line, "film.mp4", "not a readable video", "fetch it again or exclude")


def test_video_that_lost_its_end_since_the_manifest(copy, refused):
    write_video(copy.root / "train" / "film.avi", "film", 22)
    copy.path("frames").unlink()
    line = refused(copy.make_frames, absent=[copy.path("frames")])
    says(line, "film.avi", "22 of 25 frames decoded")


def test_missing_frame_in_a_folder(copy, refused):
    (copy.root / "train" / "a" / "011.jpg").unlink()
    copy.manifest.unlink()
    line = refused(copy.make_manifest, absent=[copy.manifest], within=copy.results)
    says(line, "train/a", "1 frames missing between 010.jpg and 012.jpg", "exclude")


def test_missing_frame_since_the_manifest(copy, refused):
    (copy.root / "train" / "a" / "025.jpg").unlink()
    copy.path("frames").unlink()
    line = refused(copy.make_frames, absent=[copy.path("frames")])
    says(line, "train/a", "25 of 26 frames")


def test_clip_that_vanished_since_the_manifest(copy, refused):
    shutil.rmtree(copy.root / "train" / "a")
    copy.path("frames").unlink()
    line = refused(copy.make_frames, absent=[copy.path("frames")])
    says(line, "train/a", "no such file or folder", "manifest")


def test_empty_folder(copy, refused):
    (copy.root / "train" / "nothing").mkdir()
    copy.manifest.unlink()
    line = refused(copy.make_manifest, absent=[copy.manifest], within=copy.results)
    says(line, "train/nothing", "no frames", "exclude")
    copy.make_manifest("--exclude", "nothing")


def test_zero_byte_video(copy, refused):
    (copy.root / "test" / "z.mp4").touch()
    copy.manifest.unlink()
    line = refused(copy.make_manifest, absent=[copy.manifest])
    says(line, "test/z.mp4", "not a readable video", "exclude")


def test_unreadable_image(copy, refused):
    bad = copy.root / "train" / "b" / "007.jpg"
    bad.write_bytes(b"\xff\xd8 this is no picture")
    copy.path("frames").unlink()
    line = refused(copy.make_frames, absent=[copy.path("frames")], within=copy.results / "train")
    says(line, str(bad), "unreadable image", "exclude")


def test_image_of_another_size(copy, refused):
    path = copy.root / "train" / "b"
    cv2.imwrite(str(path / "004.jpg"), np.zeros((20, 30, 3), np.uint8))
    copy.path("frames").unlink()
    line = refused(copy.make_frames, absent=[copy.path("frames")])
    says(line, "train/b", "frame 4 is 30x20", "64x48", "exclude")


def test_clip_shorter_than_a_cube(copy, refused):
    write_folder(copy.root / "train" / "short", "short", 5)
    copy.make_manifest()
    copy.make_frames()
    copy.make_detections()
    copy.path("cubes").unlink()
    line = refused(copy.make_cubes, absent=[copy.path("cubes")], within=copy.results / "train")
    says(line, "short", "5 frames are fewer than the 7 of one cube", "exclude")


def test_labels_for_another_number_of_frames(copy, refused):
    rows = ["clip,frame,anomalous", *(f"x,{frame},0" for frame in range(TEST["x"] - 2))]
    (copy.root / "labels.csv").write_text("\n".join(rows) + "\n")
    copy.manifest.unlink()
    line = refused(copy.make_manifest, absent=[copy.manifest], within=copy.results)
    says(line, "labels.csv", "clip x", "frames 0 to 29", "28 rows")


def test_labels_beyond_the_clip(copy, refused):
    (copy.root / "labels.csv").write_text("clip,first,last\nx,10,30\n")
    copy.manifest.unlink()
    says(refused(copy.make_manifest, absent=[copy.manifest]), "labels.csv", "x", "0 to 29", "30")


def test_frame_totals_other_than_expected(copy, refused):
    copy.manifest.unlink()
    line = refused(copy.make_manifest, "--expected-frames", '{"test": 60}', absent=[copy.manifest])
    says(line, "test split has 55 frames", "expected 60", "allow_partial")


# Detections


def test_clip_without_detections_scores_zero(copy, caplog):
    write_boxes(copy.root / "test.csv", {"y": 25})
    copy.make_detections("test", X_SHARD)
    assert "clip x: no objects found" in caplog.text
    copy.make_cubes("test", X_SHARD)
    copy.make_teachers("test", X_SHARD)
    copy.make_scores(X_SHARD)
    copy.make_metrics()
    table = pd.read_csv(copy.metrics[1])
    empty = table[table["clip"] == "x"]
    scores = empty.drop(columns=["clip", "frame", "label", "kind", "objects"])
    assert len(empty) == 30 and (scores == 0).all(axis=None)
    assert (table[table["clip"] == "y"]["combined"] > 0).all()


@pytest.mark.parametrize("fusion", ["mean", "ecdf"])
def test_data_set_without_detections_can_be_scored(copy, caplog, fusion):
    write_boxes(copy.root / "test.csv", {})
    for shard in shards_of(TEST, TEST_SHARDS).values():
        caplog.clear()
        copy.make_detections("test", shard)
        assert "no object in any clip" in caplog.text and "confidence" in caplog.text
        copy.make_cubes("test", shard)
        copy.make_teachers("test", shard)
    for shard in range(TEST_SHARDS):
        copy.make_scores(shard, "--fusion", fusion)
    copy.make_metrics()
    assert (pd.read_csv(copy.metrics[1])["combined_smoothed"] == 0).all()


def test_training_without_any_object(copy, refused):
    write_boxes(copy.root / "train.csv", {})
    copy.make_detections()
    copy.make_cubes()
    copy.make_teachers()
    shutil.rmtree(copy.model)
    line = refused(copy.make_model, within=copy.results)
    says(line, "cubes.h5", "no training object at all", "detect.confidence")
    assert not list(copy.model.glob("model*"))


def test_box_beyond_the_clip(copy, refused):
    write_boxes(copy.root / "train.csv", {"a": 27})
    copy.path("detections").unlink()
    line = refused(copy.make_detections, absent=[copy.path("detections")])
    says(line, "clip a", "frame 26", "26 frames")


def test_imported_back_end_without_boxes(copy, refused):
    line = refused(copy.make_detections, "train", 0, "--backend", "imported")
    says(line, "--backend imported needs --boxes")


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise URLError("no network in this test")

    monkeypatch.setattr("ssmtl.core.download.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)


def test_detector_weights_missing_without_a_network(
    copy, refused, no_network, tmp_path, monkeypatch
):
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    copy.path("detections").unlink()
    options = ("--backend", "ultralytics", "--weights", "yolov3u.pt")
    line = refused(copy.make_detections, "train", 0, *options, absent=[copy.path("detections")])
    says(line, "yolov3u.pt", "no such file", "download failed", "get https://", "put it at")
    assert not list(folder.iterdir())


def test_resnet_weights_missing_without_a_network(copy, refused, no_network, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    copy.path("teachers").unlink()
    options = ("--resnet", "IMAGENET1K_V1", "--resnet-size", 32)
    line = refused(
        copy.make_teachers,
        *("train", 0, *options),
        absent=[copy.path("teachers")],
        within=copy.results,
    )
    says(line, "teachers.resnet", "IMAGENET1K_V1", "could not be fetched", "https://", "random")
    assert not [path for path in (tmp_path / "torch").rglob("*") if path.is_file()]


def test_resnet_weights_of_another_network(copy, refused, tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    line = refused(copy.make_teachers, "train", 0, "--resnet", tmp_path / "other.pt")
    says(line, "other.pt", "not a state of torchvision's resnet50")
    line = refused(copy.make_teachers, "train", 0, "--resnet", "IMAGENET1K_V9")
    says(line, "IMAGENET1K_V9", "IMAGENET1K_V1", "random")


# Files between the stages


@pytest.mark.parametrize("share", [0.0, 0.01, 0.6, 0.999])
def test_truncated_hdf5(copy, refused, share):
    cut(copy.path("frames"), share)
    copy.path("detections").unlink()
    line = refused(copy.make_detections, absent=[copy.path("detections")])
    says(line, "train/0/frames.h5", "not a readable HDF5 file", "truncated", "delete it and run")


def test_foreign_hdf5(copy, refused):
    with h5py.File(copy.path("frames"), "w") as file:
        file["a"] = np.arange(3)
    line = refused(copy.make_cubes)
    says(line, "frames.h5", "kind 'frames'", "foreign HDF5 file", "check the path")


def test_hdf5_of_another_stage(copy, refused):
    shutil.copy(copy.path("detections"), copy.path("frames"))
    line = refused(copy.make_cubes)
    says(line, "frames.h5", "kind 'frames'", "found 'detections'", "check the path")


def test_missing_file(copy, refused):
    copy.path("frames").unlink()
    says(refused(copy.make_cubes), "frames.h5", "no such file", "run the stage", "frames")


def test_no_manifest_and_a_broken_one(copy, refused):
    cut(copy.manifest, 0.7)
    copy.path("frames").unlink()
    line = refused(copy.make_frames, absent=[copy.path("frames")])
    says(line, "manifest.csv", "not a complete manifest", "delete it and run again")
    copy.manifest.unlink()
    line = refused(copy.make_frames, absent=[copy.path("frames")])
    says(line, "manifest.csv", "no such file", "run the stage manifest first")


def test_detections_of_other_frames(copy, refused):
    shutil.copy(copy.path("detections", "test"), copy.path("detections"))
    says(refused(copy.make_cubes), "detections.h5", "clip a covers 0 frames", "has 26", "delete")


def test_teachers_of_other_cubes(copy, refused, done):
    copy.make_cubes("train", 0, "--size", 16, "--scale", 1.5)
    line = refused(copy.make_model)
    says(line, "teachers.h5", "clip a does not belong to", "cubes.h5", "teachers stage again")
    copy.make_cubes("test", X_SHARD, "--size", 16, "--scale", 1.5)
    output = copy.scores()[X_SHARD]
    output.unlink()
    line = refused(copy.make_scores, X_SHARD, absent=[output], within=copy.results)
    says(line, "teachers.h5", "clip x does not belong to")


# Training


def test_loss_that_is_not_finite(copy, refused):
    shutil.rmtree(copy.model)
    line = refused(copy.make_model, *copy.train, "--learning-rate", 1e30, within=copy.results)
    says(line, "loss", "nan", "at step 1", "lower train.learning_rate (1e+30)")
    assert not list(copy.model.glob("[!.]*"))


def test_validation_loss_that_is_not_finite(copy, refused):
    """A single step: its own loss is still finite, the weights behind it are not."""
    shutil.rmtree(copy.model)
    options = ("--cubes-seen", 8, "--batch", 8, "--learning-rate", 1e30)
    line = refused(copy.make_model, *options, within=copy.results)
    says(line, "validation loss", "nan", "lower train.learning_rate")
    assert not list(copy.model.glob("[!.]*"))


def test_teachers_that_are_not_finite(copy, refused):
    with h5py.File(copy.path("teachers"), "r+") as file:
        for group in file.values():
            group["logits"][0, 5] = np.nan
    shutil.rmtree(copy.model)
    line = refused(copy.make_model, within=copy.results)
    says(line, "teachers.h5", "clip a", "'logits' has a value that is not finite", "delete it")


def test_cubes_of_the_test_split(copy, refused):
    """Whether or not the file has objects, alone or beside the training files."""
    ours = ("--cubes", copy.path("cubes"), "--teachers", copy.path("teachers"))
    for shard in range(TEST_SHARDS):
        paths = (copy.path(stage, "test", shard) for stage in ("cubes", "teachers"))
        files = tuple(zip(("--cubes", "--teachers"), paths, strict=True))
        for given in (sum(files, ()), (*ours, *sum(files, ()))):
            line = refused(run, "train", copy.model, *given, *copy.train)
            says(line, f"test/{shard}/cubes.h5", "test split", "train on the training split")


def test_cubes_too_small_for_the_encoder(copy, refused):
    copy.make_cubes("train", 0, "--size", 8)
    copy.make_teachers()
    line = refused(copy.make_model, *copy.train, "--encoder-options.depth", "deep")
    says(line, "cubes.size 8", "too small", "use at least 32")


def test_files_of_cubes_and_teachers_do_not_pair_up(copy, refused):
    files = ("--cubes", copy.path("cubes"))  # beside those that `make_model` gives
    line = refused(copy.make_model, *files, *copy.train)
    says(line, "2 files of cubes and 1 of teachers", "one of each")


def test_unknown_task(copy, refused):
    says(refused(copy.make_model, "--tasks", "puzzle"), "no task 'puzzle'", "arrow_of_time")


# The GPU's memory; simulated, since no GPU is needed to see what is said then.


def out_of_memory(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory (simulated)")


def test_out_of_memory_in_training(copy, refused, monkeypatch):
    monkeypatch.setattr(training.Trainer, "losses", out_of_memory)
    shutil.rmtree(copy.model)
    line = refused(copy.make_model, within=copy.results)
    says(line, "train.batch 8", "out of GPU memory", "lower train.batch")


def test_out_of_memory_in_scoring(copy, refused, monkeypatch):
    monkeypatch.setattr(Model, "scores", out_of_memory)
    output = copy.scores()[X_SHARD]
    output.unlink()
    line = refused(copy.make_scores, X_SHARD, absent=[output], within=copy.results)
    says(line, "score", "out of GPU memory", "lower score.batch")
    line = refused(copy.make_calibration)
    says(line, "calibrate", "out of GPU memory", "lower score.batch")


def test_out_of_memory_in_the_teachers(copy, refused, monkeypatch):
    monkeypatch.setattr("ssmtl.networks.Network.logits", out_of_memory)
    copy.path("teachers").unlink()
    line = refused(copy.make_teachers, absent=[copy.path("teachers")], within=copy.results)
    says(line, "teachers", "out of GPU memory", "lower teachers.batch")


class Hungry(detection.Detector):
    """A detector that finds nothing, and needs memory for more pictures than there is."""

    room = 0

    def raw(self, images):
        if len(images) > self.room:
            out_of_memory()
        found = torch.zeros(len(images), 5, 4)
        return found, torch.ones(len(images), 5), torch.zeros(len(images), 5, 2)


@pytest.mark.parametrize("room", [0, 3])
def test_out_of_memory_in_detection(copy, refused, monkeypatch, caplog, room):
    detector = Hungry(("one", "two"), 64, torch.device("cpu"))
    detector.room = room
    monkeypatch.setattr(base, "load", lambda *_, **__: detector)
    copy.path("detections").unlink()
    options = ("--backend", "darknet", "--image-size", 64)
    if room:  # smaller batches are tried first
        copy.make_detections("train", 0, *options)
        assert detector.batch <= room and "out of memory" in caplog.text
        return
    line = refused(copy.make_detections, "train", 0, *options, absent=[copy.path("detections")])
    says(line, "image_size 64", "does not fit into the memory", "lower image_size")


# Models and scores


def test_model_of_other_classes(copy, refused):
    text = (copy.root / "test.csv").read_text().replace("p_square,p_person", "p_person,p_square")
    (copy.root / "test.csv").write_text(text)
    for make in (copy.make_detections, copy.make_cubes, copy.make_teachers):
        make("test", X_SHARD)
    output = copy.scores()[X_SHARD]
    output.unlink()
    line = refused(copy.make_scores, X_SHARD, absent=[output], within=copy.results)
    says(line, "model.safetensors", "detector classes 2 (square, person)", "2 (person, square)")


@pytest.mark.parametrize(("option", "value", "ours"), [("size", 32, 16), ("radius", 2, 3)])
def test_model_of_other_cubes(copy, refused, option, value, ours):
    size = () if option == "size" else ("--size", 16)
    copy.make_cubes("test", X_SHARD, *size, f"--{option}", value)
    copy.make_teachers("test", X_SHARD)
    line = refused(copy.make_scores, X_SHARD)
    says(line, "model.safetensors", f"cubes.{option} {ours}", f"the data has {value}")


def test_missing_and_damaged_models(copy, refused):
    cut(copy.weights, 0.5)
    says(refused(copy.make_scores, X_SHARD), "model.safetensors", "does not fit model.json")
    copy.weights.unlink()
    line = refused(copy.make_scores, X_SHARD)
    says(line, "model.safetensors", "no such file", "train the model first")


def test_ecdf_without_calibration(copy, refused):
    (copy.model / "calibration.h5").unlink()
    line = refused(copy.make_scores, X_SHARD, "--fusion", "ecdf")
    says(line, "calibration.h5", "no such file", "calibration")


def test_weights_that_are_no_numbers(copy, refused):
    """Refused as they are read: on a GPU some kernels lose what is not a number."""
    weights = safetensors.torch.load_file(copy.weights)
    weights["tasks.middle_box.head.1.weight"] *= float("nan")
    copy.weights.write_bytes(safetensors.torch.save(weights))
    output = copy.scores()[X_SHARD]
    output.unlink()
    line = refused(copy.make_scores, X_SHARD, absent=[output], within=copy.results)
    says(line, "model.safetensors", "tasks.middle_box.head.1.weight", "not finite")


@pytest.mark.parametrize("value", [float("nan"), -0.01, 1.01])
def test_score_outside_its_range(value):
    scores = {"right": np.array([0.0, 1.0]), "wrong": np.array([0.5, value])}
    with pytest.raises(InputError, match=r"0\.h5: clip x: score .* of wrong is not in \[0, 1\]"):
        check_range(scores, "0.h5: clip x")


def test_scores_of_another_length_than_the_manifest(copy, refused):
    (copy.root / "test" / "x" / "029.png").unlink()
    copy.make_manifest()
    for path in copy.metrics:
        path.unlink()
    line = refused(copy.make_metrics, absent=copy.metrics, within=copy.results)
    says(line, f"scores/{X_SHARD}.h5", "clip x covers 30 frames", "the manifest says 29", "run")


def test_clip_that_was_not_scored(copy, refused):
    for path in copy.metrics:
        path.unlink()
    with store.read(copy.scores()[X_SHARD], "scores") as file:
        about = {
            key: store.attribute(file, key)
            for key in ("columns", "radius", "model", "seed", "normal")
        }
        settings = store.settings_of(file)
    with store.create(copy.scores()[X_SHARD], "scores", settings, **about):
        pass
    line = refused(copy.make_metrics, absent=copy.metrics)
    says(line, "no scores for clip x", "manifest.csv", "every clip must be scored")


def test_even_filter(copy, refused):
    says(refused(copy.make_metrics, "--filter-size", 8), "evaluate.filter_size: 8 must be odd")


def test_setting_out_of_its_range(copy, refused):
    line = refused(copy.make_frames, "train", 0, "--quality", 300)
    says(line, "frames.quality", "300", "100")
