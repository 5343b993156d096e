"""What the rules ask of the plan: inputs, options, limits, and errors as one line."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ssmtl.core.errors import InputError
from ssmtl.planning.jobs import Asked
from ssmtl.planning.limits import demanded
from ssmtl.planning.registry import STAGES, TIMED, Demand


def job(**values) -> SimpleNamespace:
    """The wildcards of a job."""
    return SimpleNamespace(**values)


YARD = job(dataset="yard", split="test", shard="0", model="tiny", seed="0")


# ---------------------------------------------------------------- inputs


def test_the_files_of_a_data_set_are_those_of_all_its_shards(planned):
    jobs = planned()
    assert jobs.files("cubes")(YARD) == [
        "results/yard/data/train/0/cubes.h5",
        "results/yard/data/test/0/cubes.h5",
        "results/yard/data/test/1/cubes.h5",
    ]
    assert jobs.files("cubes", "train")(YARD) == ["results/yard/data/train/0/cubes.h5"]
    assert jobs.stored("cubes")(YARD) == jobs.files("cubes")(YARD)
    # Test clips are scored straight from their frames; released models need no training clips.
    assert jobs.stored("cubes")(job(dataset="boxed")) == ["results/boxed/data/train/0/cubes.h5"]
    assert jobs.files("frames")(job(dataset="given")) == ["results/given/data/test/0/frames.h5"]


def test_runs_are_all_models_and_seeds_and_released_models_have_their_own_seed(planned):
    jobs = planned()
    assert jobs.runs(YARD) == [
        f"results/yard/models/{model}/seed{seed}" for model in ("tiny", "wide") for seed in (0, 1)
    ]
    assert jobs.runs(job(dataset="given")) == ["results/given/models/tiny/seed7"]
    assert jobs.each_run("metrics.json")(YARD)[3] == "results/yard/models/wide/seed1/metrics.json"
    assert jobs.first_videos(YARD) == [
        "results/yard/videos/tiny/seed0",
        "results/yard/videos/wide/seed0",
    ]
    assert jobs.first_explained(job(dataset="given")) == [
        "results/given/models/tiny/seed7/explained.h5"
    ]


def test_a_variant_takes_what_equals_its_own_from_another_run(planned):
    def vary(config):
        config["ablation"] = {"variants": {"smooth": {"evaluate": {"sigma": 5}}}}

    jobs = planned(vary)
    variant = job(dataset="yard", model="tiny.smooth", seed="1")
    assert jobs.weights(variant) == "results/yard/models/tiny/seed1/model.safetensors"
    assert jobs.run("evaluate", variant) == "results/yard/models/tiny.smooth/seed1"
    assert jobs.scores(variant) == [
        f"results/yard/models/tiny/seed1/scores/{shard}.h5" for shard in (0, 1)
    ]


def test_compared_data_sets_are_those_of_the_run_first_and_none_twice(planned):
    def compare(config):
        config["run"]["compared"] = ["given", "yard"]

    jobs = planned(compare)
    assert jobs.compared() == ["yard", "given"]
    assert jobs.compared_reports(job()) == [
        "results/yard/report.html",
        "results/given/report.html",
    ]
    assert len(jobs.compared_metrics(job())) == 5
    assert len(jobs.compared_figures(job())) == 3 * 4  # of first runs


def test_networks_given_by_path_are_inputs_of_the_stage_that_runs_them(planned):
    jobs = planned()
    assert jobs.network_files("detect")(YARD) == ["nets/own.weights", "nets/own.cfg"]
    assert jobs.network_files("teachers")(YARD) == []

    def give(config):
        config["datasets"]["boxed"]["teachers"] = {"weights": "nets/c.weights", "resnet": "r/n.pt"}

    boxed = job(dataset="boxed")
    jobs = planned(give)
    assert jobs.network_files("detect")(boxed) == []
    assert set(jobs.network_files("teachers")(boxed)) >= {"nets/c.weights", "r/n.pt"}


def test_boxes_are_asked_for_by_the_imported_detector_alone(planned):
    jobs = planned()
    boxed = job(dataset="boxed", split="test")
    assert jobs.boxes(YARD) == [] and jobs.boxes_option(YARD, job(boxes=[])) == ""
    assert jobs.boxes(boxed) == "boxes/test's.csv"
    option = jobs.boxes_option(boxed, job(boxes=jobs.boxes(boxed)))
    assert shlex.split(option) == ["--boxes", "boxes/test's.csv"]
    with pytest.raises(InputError, match=r"datasets.boxed.boxes.train must name a CSV"):
        jobs.boxes(job(dataset="boxed", split="train"))


def test_a_released_model_is_an_input_by_its_files(planned):
    jobs = planned()
    given = job(dataset="given", model="tiny")
    assert jobs.released(given) == "taken/tiny"
    assert "taken/tiny/model.safetensors" in jobs.released_files(given)
    with pytest.raises(InputError, match=r"takes released models \(tiny\), and 'wide' is none"):
        jobs.released(job(dataset="given", model="wide"))
    with pytest.raises(InputError, match="variants cannot be trained"):
        jobs.ablation_files("train", "model.json")(job(dataset="given"))


def test_pictures_of_protocols(planned):
    jobs = planned()
    pets = job(imageset="pets", protocol="one_vs_all")
    assert jobs.protocol_images(pets) == ["results/pets/data/pets/test/images.h5"]
    runs = [f"results/pets/models/{normal}/tiny/seed0" for normal in ("cat", "dog")]
    pixel = [f"results/pets/models/{normal}/pixel" for normal in ("cat", "dog")]
    assert jobs.protocol_scores(pets) == [f"{run}/scores/pets.h5" for run in runs + pixel]
    assert jobs.protocol_files(pets)[:2] == [f"{runs[0]}/model.json", f"{runs[0]}/history.csv"]
    foreign = job(imageset="pets", protocol="out_of_distribution")
    assert jobs.protocol_images(foreign)[1] == "results/pets/data/toys/test/images.h5"
    with pytest.raises(InputError, match=r"image_datasets.toys.others is empty"):
        jobs.protocol_images(job(imageset="toys", protocol="out_of_distribution"))
    with pytest.raises(InputError, match="has no attacks"):
        jobs.protocol_scores(job(imageset="pets", protocol="presentation_attack"))


@pytest.mark.parametrize(
    ("classes", "message"),
    [(["bird"], "names 'bird', which cannot be trained on; there are cat, dog"), (["dog"], None)],
)
def test_normal_classes(planned, classes, message):
    jobs = planned(lambda config: config["image_datasets"]["pets"].update(classes=classes))
    if message is None:
        assert jobs.pictures("pets").normals("one_vs_all") == classes
        return
    with pytest.raises(InputError, match=message):
        jobs.pictures("pets").normals("one_vs_all")


# ---------------------------------------------------------------- what a change of files touches


def marks(jobs) -> dict[str, str]:
    """What each shard of the yard is made of, and its manifest."""
    shards = [("train", "0"), ("test", "0"), ("test", "1")]
    found = {f"{s}/{n}": jobs.sources(job(dataset="yard", split=s, shard=n)) for s, n in shards}
    return found | {"labels": jobs.labels(YARD), "truth": jobs.truth(YARD)}


def changed(planned, edit) -> set[str]:
    before = marks(planned())
    edit()
    after = marks(planned())
    return {name for name in before if before[name] != after[name]}


def test_a_clip_added_behind_the_others_touches_one_shard(project, planned):
    def add():
        (project / "yard/test/06").mkdir()
        cv2.imwrite(str(project / "yard/test/06/0.png"), np.zeros((8, 8, 3), np.uint8))

    touched = changed(planned, add)
    assert len(touched & {"test/0", "test/1"}) == 1 and touched - {"test/0", "test/1"} == {"labels"}


def test_labels_touch_no_shard_and_a_copied_clip_nothing(project, planned):
    labels = project / "yard/labels.csv"
    rows = "clip,first,last\n" + "".join(f"{name},0,0\n" for name in ("01", "02", "03", "05"))
    assert changed(planned, lambda: labels.write_text(rows)) == {"labels"}
    picture = project / "yard/test/01/0.png"
    assert changed(planned, lambda: picture.touch()) == set()


def test_tracks_touch_the_evaluation(project, planned):
    track = project / "yard/tracks/01.txt"
    track.parent.mkdir()
    track.write_text("1,0,1,1,3,3\n")
    assert changed(planned, lambda: track.write_text("1,0,1,1,3,4\n")) == {"truth"}


def test_options_of_a_shard_name_the_exclusions_of_its_own_clips(planned):
    data = planned().video("yard")
    excluded = {shard: data.clips_options("test", shard)["exclude"] for shard in (0, 1)}
    assert sorted(excluded.values()) == [[], ["04"]]
    assert excluded[data.shard_of["test", "04"]] == ["04"]
    assert data.manifest_options()["exclude"] == ["04"]
    # An excluded clip keeps its place: leaving it out moves no other.
    for shard in (0, 1):
        names = {clip.name for clip in data.shard_clips("test", shard)}
        assert names == {n for (s, n), p in data.shard_of.items() if s == "test" and p == shard}


def test_a_rendered_data_set_depends_on_its_scenes_and_not_on_their_number(planned):
    def scene(seed, clips):
        def change(config):
            config["datasets"]["rendered"]["options"] |= {"seed": seed, "train_clips": clips}

        jobs = planned(change)
        return jobs.sources(job(dataset="rendered", split="test", shard="0"))

    assert scene(0, 2) == scene(0, 3) != scene(1, 2)
    jobs = planned()
    assert jobs.scenes_file(job(dataset="rendered")) == "data/rendered/scenes.json"
    assert jobs.scenes_file(YARD) == []
    assert jobs.labels(job(dataset="rendered")) == "" == jobs.truth(job(dataset="rendered"))


# ---------------------------------------------------------------- options, code, limits


def test_options_are_words_of_a_shell_whatever_the_values_are(planned):
    nasty = 'a b\'; $(touch pwned) "c" `d`'

    def change(config):
        config["datasets"]["yard"] |= {"path": nasty, "exclude": [nasty]}

    jobs = planned(change)
    data = jobs.video("yard")
    data.__dict__["clips"] = []  # there is no such folder
    words = shlex.split(jobs.manifest_options(YARD))
    assert words[words.index("--path") + 1] == nasty
    assert words[words.index("--exclude") + 1] == nasty
    assert json.loads(words[words.index("--options") + 1]) == {}
    image = job(imageset="pets", normal="a;b", model="tiny", seed="0")
    assert shlex.split(jobs.normal_option(image)) == ["--groups", "a;b"]
    assert jobs.normal_option(job(normal="all")) == ""


def test_a_models_settings_are_those_of_its_job(planned):
    options = planned().options("evaluate")
    tiny, wide = (shlex.split(options(job(dataset="yard", model=m))) for m in ("tiny", "wide"))
    assert float(tiny[tiny.index("--sigma") + 1]) == 2 != float(wide[wide.index("--sigma") + 1])


def test_the_code_of_a_job_is_that_of_what_its_settings_name(planned):
    def other(config):
        config["datasets"]["yard"]["detect"] = {"backend": "ultralytics"}
        config["models"]["tiny"]["train"] = {"tasks": ["arrow_of_time"]}

    first, second = planned(), planned(other)
    for stage, differs in (("detect", True), ("frames", False), ("train", True), ("score", True)):
        assert (first.code(stage)(YARD) != second.code(stage)(YARD)) == differs, stage
    pictures = job(imageset="pets", source="toys", split="test")
    assert first.code("images")(pictures) == second.code("images")(pictures)


def test_limits_grow_with_the_input_and_double_with_every_attempt(planned):
    limits = planned().limits("train")
    empty, full = job(size=0), job(size=10**10)
    assert limits["mem_mb"](YARD, empty, 1) == 8000 and limits["runtime"](YARD, empty, 1) == 60
    assert limits["mem_mb"](YARD, full, 1) == 28000 and limits["runtime"](YARD, full, 3) == 4 * 360
    assert demanded(Demand(1, 0.5), 3e9, 2) == 5
    # Frames are made of clips, which are no input of the job.
    footage = planned().video("yard").footage("test", 0)
    assert footage > 0 and planned().input_size("frames", YARD, job(size=0)) == footage


def test_every_stage_of_the_report_has_its_place_in_the_registry():
    assert set(TIMED) <= set(STAGES)
    assert [stage for stage in STAGES if stage in TIMED] == list(TIMED)


# ---------------------------------------------------------------- errors and imports


class Refused(Exception):
    pass


def test_bad_input_becomes_the_error_of_the_workflow_also_in_returned_functions(planned):
    jobs = Asked(planned(), Refused)
    assert jobs.chosen["seeds"] == [0, 1]
    with pytest.raises(Refused, match="must name a CSV of boxes"):
        jobs.boxes(job(dataset="boxed", split="train"))
    with pytest.raises(Refused, match="variants cannot be trained"):
        jobs.ablation_files("train", "model.json")(job(dataset="given"))
    missing = job(dataset="yard", split="test", shard="0")

    def away(config):
        config["datasets"]["yard"]["path"] = "nowhere"

    with pytest.raises(Refused, match="nowhere: no folders 'train' and 'test' here"):
        Asked(planned(away), Refused).sources(missing)


def test_snakemake_sees_what_a_function_takes(planned):
    import inspect

    jobs = Asked(planned(), Refused)
    assert list(inspect.signature(jobs.boxes_option).parameters) == ["wildcards", "input"]
    limit = jobs.limits("frames")["mem_mb"]
    assert list(inspect.signature(limit).parameters) == ["wildcards", "input", "attempt"]


def test_planning_imports_nothing_heavy():
    code = "import sys, ssmtl.planning.jobs; print([m for m in HEAVY if m in sys.modules])"
    heavy = '["torch", "pandas", "matplotlib", "ultralytics", "scipy", "sklearn", "snakemake"]'
    done = subprocess.run(
        [sys.executable, "-c", code.replace("HEAVY", heavy)], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_no_rule_computes_by_itself():
    rules = sorted((Path(__file__).parents[2] / "rules").glob("*.smk"))
    assert rules
    for path in rules:
        text = path.read_text()
        assert "lambda" not in text, path
        assert len(text.splitlines()) < 120, path
