"""The protocols of the picture system as Snakemake runs them, on small made pictures."""

import cv2
import numpy as np
import pandas as pd
import pytest
from toy import ROOT, Project

SIDE = 18
TRAIN = {
    "encoder": "wideresnet",
    "encoder_options": {"depth": 10, "widen": 1},
    "optimiser": "sgd",
    "schedule": "cosine",
    "batch": 8,
    "cubes_seen": 256,
    "validations": 2,
    "validation": 0.2,
}
CONFIG = {
    "run": {"datasets": []},
    "models": {
        "both": {"train": TRAIN | {"tasks": ["rotation", "jigsaw"]}},
        "turned": {"train": TRAIN | {"tasks": ["rotation"]}},
    },
    "datasets": {},
    "image_datasets": {
        "arrows": {"reader": "image_folder", "models": ["both", "turned"]},
        "outside": {
            "reader": "image_folder",
            "path": "data/arrows",
            "models": ["turned"],
            "others": ["faces"],
        },
        "faces": {"reader": "presentation_attack", "models": ["turned"], "seeds": [0, 1]},
    },
    "images": {"size": SIDE},
}
PAGES = [
    "results/arrows/one_vs_all.html",
    "results/outside/out_of_distribution.html",
    "results/faces/presentation_attack.html",
]


def draw(kind: str, rng) -> np.ndarray:
    """A noisy picture that is bright at its top, at its left, or nowhere."""
    picture = rng.integers(0, 90, (SIDE, SIDE, 3), np.uint8)
    if kind == "up":
        picture[: SIDE // 3] += 160
    elif kind == "left":
        picture[:, : SIDE // 3] += 160
    return picture


def write(folder, kind: str, count: int) -> None:
    rng = np.random.default_rng(len(str(folder)))
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:02d}.png"), draw(kind, rng))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Project:
    """A project with all three pages; not to be changed."""
    project = Project.make(tmp_path_factory.mktemp("pictures") / "project", CONFIG)
    data = project.path("data")
    for split, count in (("train", 20), ("test", 8)):
        for kind in ("up", "left"):
            write(data / "arrows" / split / kind, kind, count)
        for subject in ("ann", "bob"):
            write(data / "faces" / split / "bona_fide" / (subject + split), "up", count)
    for attack in ("print", "mask"):
        write(data / "faces" / "test" / attack / "eve", "left" if attack == "mask" else "", 6)
    project.build(*PAGES)
    return project


def runs(project: Project, page: str) -> pd.DataFrame:
    return pd.read_csv(project.path(page.replace(".html", "_runs.csv")))


def test_every_class_is_the_normal_one_in_turn(built):
    table = runs(built, PAGES[0])
    combined = table[(table["column"] == "combined") & (table["level"] == "case")]
    assert set(zip(combined["model"], combined["case"], strict=True)) == {
        (model, case) for model in ("both", "turned") for case in ("up", "left")
    }
    assert (combined[["normal", "anomalous"]] == 8).all(axis=None)
    # A picture bright at its left is one bright at its top that was turned.
    assert combined.groupby("model")["auroc"].mean()["turned"] > 0.9
    assert set(table[table["model"] == "pixel"]["column"]) == {"pca", "nearest"}


def test_other_pictures_are_the_outliers(built):
    table = runs(built, PAGES[1])
    assert set(table[table["level"] == "case"]["case"]) == {"faces"}
    counts = table[["normal", "anomalous"]].dropna().drop_duplicates()
    assert counts.to_numpy().tolist() == [[16, 16 + 12]]


def test_attacks_are_measured_by_type_and_at_the_calibrated_threshold(built):
    table = runs(built, PAGES[2])
    own = table[(table["model"] == "turned") & (table["column"] == "combined")]
    assert set(own["case"]) == {"print", "mask", "pooled", "worst"}
    assert set(own["seed"]) == {0, 1}
    assert own[["eer", "apcer", "bpcer", "acer"]].notna().all(axis=None)
    assert own[own["case"] == "mask"]["auroc"].min() > 0.9


def test_pages_are_whole_and_ask_for_nothing(built):
    for page in PAGES:
        text = built.path(page).read_text()
        assert text.rstrip().endswith("</html>") and "data:image/png;base64" in text
        assert "http" not in text.replace("http://www.w3.org", "").split("<pre")[0]


def test_what_is_rerun(built, tmp_path):
    project = built.copied(tmp_path / "project")
    assert not project.planned(*PAGES)
    project.change(2, "models", "turned", "train", "checkpoint_steps")
    jobs = {rule: count for (rule, _), count in project.planned(PAGES[0]).items()}
    assert jobs == {"train_images": 2, "score_images": 2, "protocol": 1}
    write(project.path("data/arrows/test/up/more"), "up", 1)
    jobs = {rule: count for (rule, _), count in project.planned(PAGES[0]).items()}
    assert jobs == {
        "images": 1,
        "train_images": 2,
        "score_images": 4,
        "pixel_baseline": 2,
        "protocol": 1,
    }


def test_the_digits_plan_one_job_per_class_and_model(built, tmp_path):
    project = built.copied(tmp_path / "project")
    project.path("config.yaml").write_text((ROOT / "config.yaml").read_text())
    jobs = {rule: n for (rule, _), n in project.planned("results/digits/one_vs_all.html").items()}
    assert jobs["train_images"] == jobs["score_images"] == 3 * 10
    assert jobs["images"] == 2 and jobs["pixel_baseline"] == 10
