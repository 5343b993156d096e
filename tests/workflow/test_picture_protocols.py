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
    "learning_rate": 0.05,
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
        # The learnt task and a frozen network's features as tasks of one model.
        "plus": {
            "train": TRAIN | {"tasks": ["rotation", "appearance"], "calibration": 0.2},
            "score": {"fusion": "evidence"},
        },
    },
    "datasets": {},
    "image_datasets": {
        "arrows": {
            "reader": "image_folder",
            "models": ["plus", "turned"],
            "features": {"size": 32},
        },
        "outside": {
            "reader": "image_folder",
            "path": "data/arrows",
            "models": ["both"],
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


def write_attacks(faces) -> None:
    """Attacks whose figures are known: bona fide pictures again, the same upside down, and both.

    The model `turned` tells whatever is upside down, and nothing can tell a copy.
    """
    real = [cv2.imread(str(file)) for file in sorted((faces / "test/bona_fide").glob("*/*.png"))]
    turned = [picture[::-1] for picture in real]
    for attack, pictures in (("copied", real), ("turned", turned), ("both", real + turned)):
        (faces / "test" / attack / "eve").mkdir(parents=True)
        for number, picture in enumerate(pictures):
            cv2.imwrite(str(faces / "test" / attack / "eve" / f"{number:02d}.png"), picture)


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
    write_attacks(data / "faces")
    project.build(*PAGES)
    return project


def runs(project: Project, page: str) -> pd.DataFrame:
    return pd.read_csv(project.path(page.replace(".html", "_runs.csv")))


def test_every_class_is_the_normal_one_in_turn(built):
    table = runs(built, PAGES[0])
    combined = table[(table["column"] == "combined") & (table["level"] == "case")]
    assert set(zip(combined["model"], combined["case"], strict=True)) == {
        (model, case) for model in ("plus", "turned") for case in ("up", "left")
    }
    assert (combined[["normal", "anomalous"]] == 8).all(axis=None)
    # A picture bright at its left is one bright at its top that was turned.
    assert combined.groupby("model")["auroc"].mean()["turned"] > 0.9
    assert set(table[table["model"] == "pixel"]["column"]) == {"pca", "nearest"}


def test_a_model_of_learnt_and_measured_tasks(built):
    """Its learnt task is that of the model without the other, since nothing else was learnt."""
    table = runs(built, PAGES[0])
    cases = table[table["level"] == "case"].set_index(["model", "column", "case"])["auroc"]
    assert set(cases["plus"].index.get_level_values(0)) == {"rotation", "appearance", "combined"}
    assert (cases["plus"]["combined"] > 0.9).all()
    summary = pd.read_csv(built.path(PAGES[0].replace(".html", ".csv"))).fillna("")
    pretrained = summary.groupby("model")["pretrained"].unique()
    assert list(pretrained["plus"]) == ["efficientnet_lite0"] and list(pretrained["turned"]) == [""]
    text = built.path(PAGES[0]).read_text()
    assert "plus*" in text and "uses efficientnet_lite0" in text


def test_both_ways_to_sum_are_in_every_table(built):
    table = runs(built, PAGES[1])
    columns = ["rotation", "jigsaw", "combined", "summed"]
    assert sorted(set(table[table["model"] == "both"]["column"])) == sorted(columns)
    assert "both, summed" in built.path(PAGES[1]).read_text()


def test_other_pictures_are_the_outliers(built):
    table = runs(built, PAGES[1])
    assert set(table[table["level"] == "case"]["case"]) == {"faces"}
    counts = table[["normal", "anomalous"]].dropna().drop_duplicates()
    assert counts.to_numpy().tolist() == [[16, 16 + 64]]


def test_attacks_are_measured_by_type_and_at_the_calibrated_threshold(built):
    table = runs(built, PAGES[2])
    own = table[(table["model"] == "turned") & (table["column"] == "combined")]
    assert set(own["seed"]) == {0, 1}
    # Of sixteen bona fide pictures at most 5 % is none, so the threshold is their highest score.
    known = pd.DataFrame(
        {"auroc": [0.5, 1, 0.75, 0.75, 0.5], "eer": [0.5, 0, 1 / 3, 1 / 3, 0.5],
         "apcer_at_bpcer5": [1, 0, 0.5, 0.5, 1]},
        index=["copied", "turned", "both", "pooled", "worst"],
    )  # fmt: skip
    for _, seed in own.groupby("seed"):
        found = seed.set_index("case")
        assert set(found.index) == set(known.index)
        difference = found.loc[known.index, known.columns] - known
        assert difference.abs().max(axis=None) < 0.04, found
        # At any threshold: as many copies are taken as bona fide pictures, and nothing upside down.
        assert found.loc["copied", "acer"] == pytest.approx(0.5, abs=0.04)
        assert found.loc["turned", "apcer"] == 0
        assert found["bpcer"].nunique() == 1


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
        "seen_images": 1,
        "image_features": 1,
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


def test_digits_in_a_file_and_flowers_in_folders_are_one_target_each(built, tmp_path, monkeypatch):
    project = built.copied(tmp_path / "project")
    project.path("config.yaml").write_text((ROOT / "config.yaml").read_text())
    data = tmp_path / "far"
    for kind in ("rose", "tulip"):
        write(data / "flowers5" / kind, "up", 4)
    label = np.arange(20) % 10
    pixels = np.zeros((20, 28, 28), np.uint8)
    np.savez(data / "mnist.npz", x_train=pixels, y_train=label, x_test=pixels, y_test=label)
    monkeypatch.setenv("SSMTL_DATA", str(data))
    jobs = {
        rule: n for (rule, _), n in project.planned("results/mnist_npz/one_vs_all.html").items()
    }
    assert jobs["train_images"] == 4 * 10 and jobs["image_features"] == 2
    jobs = {rule: n for (rule, _), n in project.planned("results/flowers5/one_vs_all.html").items()}
    assert jobs["train_images"] == 5 * 3 * 2 and jobs["calibrate_images"] == 3 * 2
