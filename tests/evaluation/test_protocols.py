"""The protocols: right figures for made scores, per case and over all, and pages that hold them."""

import json
import re

import made_files
import numpy as np
import pandas as pd
import pytest

from ssmtl.core.errors import InputError
from ssmtl.evaluation import protocols
from ssmtl.reporting.pages import protocol as page
from ssmtl.reporting.series import UNKNOWN

CLASSES = {"cat": 4, "cow": 4, "dog": 4}
TASKS = ["rotation", "jigsaw"]
SEEDS = [0, 1]
PLAN = {
    "references": ["shape"],
    "pretrained": {},
    "notes": ["A note."],
    "settings": {"images": {"size": 8}},
}
CARD = {
    "spec": {
        "tasks": [],
        "task_options": {},
        "encoder": "wideresnet",
        "encoder_options": {},
        "classes": [],
        "size": 8,
        "radius": 0,
        "max_gap": 1,
    },
    "seed": 0,
    "train": {"objects": 30, "cubes_seen": 640},
    "best": {"step": 20, "validation_loss": 0.5},
    "versions": {"torch": "2.15.0"},
}


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results" / "made"


def write_images(results, source="made", classes=CLASSES):
    """data/{source}/test/images.h5 with random pictures."""
    path = results / "data" / source / "test" / "images.h5"
    rng = np.random.default_rng(0)
    pictures = {
        name: rng.integers(0, 256, (count, 1, 8, 8, 3), dtype=np.uint8)
        for name, count in classes.items()
    }
    return made_files.write_images(path, pictures, source)


def write_scores(results, place, source="made", **columns):
    """models/{place}/scores/{source}.h5 and what a trained run has beside it.

    columns: per column a dict class -> scores.
    """
    folder = results / "models" / place
    path = folder / "scores" / f"{source}.h5"
    normal, model, *seed = place.split("/")
    scores = {
        name: {"frame": np.arange(len(rows))}
        | {column: np.asarray(values[name], np.float32) for column, values in columns.items()}
        for name, rows in next(iter(columns.values())).items()
    }
    about = {
        "model": model,
        "seed": int(seed[0].removeprefix("seed")) if seed else None,
        "normal": json.dumps([] if normal == "all" else [normal]),
        "dataset": source,
    }
    made_files.write_scores(path, list(columns), scores, (0, 8, 8), radius=0, **about)
    if "seed" in place:
        (folder / "model.json").write_text(json.dumps(CARD))
        rows = ["step,split,loss_total,loss_jigsaw", "10,train,2,1", "10,validation,2,1"]
        (folder / "history.csv").write_text("\n".join(rows) + "\n")
    return path


def made(normal, wrong, classes=CLASSES):
    """Scores by class: `normal` low, others high, but for `wrong` of four pictures of the first
    other class, which are lowest of all."""
    scores = {
        name: np.full(count, 0.2 if name == normal else 0.8) for name, count in classes.items()
    }
    other = next(name for name in classes if name != normal)
    scores[other][:wrong] = 0.1
    return scores


def auroc(wrong):
    """AUROC with `wrong` of eight anomalous pictures below all normal ones."""
    return 1 - wrong / 8


# Pictures in the wrong order per model, seed and class.
WRONG = {
    ("fine_grained", 0): {"cat": 0, "cow": 1, "dog": 2},
    ("fine_grained", 1): {"cat": 1, "cow": 2, "dog": 3},
    ("shape", 0): {"cat": 1, "cow": 2, "dog": 3},
    ("shape", 1): {"cat": 2, "cow": 4, "dog": 3},
}


@pytest.fixture(scope="module")
def one_vs_all(tmp_path_factory):
    """Images and scores of two models with two seeds and of the pixel baselines."""
    results = tmp_path_factory.mktemp("one_vs_all") / "results" / "made"
    scores = [
        write_scores(
            results,
            f"{normal}/{model}/seed{seed}",
            rotation=made(normal, 0),
            combined=made(normal, wrong),
            jigsaw=made(normal, 4),
        )
        for (model, seed), classes in WRONG.items()
        for normal, wrong in classes.items()
    ]
    scores += [
        write_scores(results, f"{n}/pixel", pca=made(n, 0), nearest=made(n, 4)) for n in CLASSES
    ]
    return [write_images(results)], scores


@pytest.fixture(scope="module")
def pages(one_vs_all):
    """The page of these, its summary, table of runs and figure."""
    return written(one_vs_all[0][0].parents[3], "one_vs_all", *one_vs_all)


def measured(protocol, images, scores):
    counts = protocols.count_pictures(images)
    runs = protocols.read_runs(scores, counts)
    table = protocols.run_table(protocol, "made", runs, counts)
    table = protocols.with_reductions(table, ["shape"])
    return table, protocols.summarise(table)


def pick(table, **wanted):
    """The one row with these values."""
    rows = table[(table[list(wanted)] == list(wanted.values())).all(axis=1)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_case_and_column_is_measured(one_vs_all):
    table, _ = measured("one_vs_all", *one_vs_all)
    cases = table[table["level"] == "case"]
    assert len(cases) == 3 * (4 * 3 + 2)  # classes, runs with three columns, two of pixels
    assert (cases["normal"] == 4).all() and (cases["anomalous"] == 8).all()
    for (model, seed), classes in WRONG.items():
        for case, wrong in classes.items():
            row = pick(cases, case=case, model=model, seed=seed, column="combined")
            assert row["auroc"] == auroc(wrong)
    assert (cases.loc[cases["column"].isin(["rotation", "pca"]), "auroc"] == 1).all()
    assert (cases.loc[cases["column"].isin(["jigsaw", "nearest"]), "auroc"] == 0.5).all()


def test_means_are_over_classes_first_and_deviations_over_seeds(one_vs_all):
    _, summary = measured("one_vs_all", *one_vs_all)
    over = summary[summary["level"] == "all"]
    row = pick(over, model="fine_grained", column="combined")
    assert row["seeds"] == 2
    means = [auroc(1), auroc(2)]
    assert row["auroc_mean"] == pytest.approx(np.mean(means))
    assert row["auroc_sd"] == pytest.approx(np.std(means, ddof=1))
    pixel = pick(over, column="nearest")
    assert pixel["auroc_mean"] == 0.5 and np.isnan(pixel["auroc_sd"]) and pixel["seeds"] == 1


def test_error_reduction(one_vs_all):
    """Of the same seed and case, and over all cases from the mean AUROCs."""
    table, summary = measured("one_vs_all", *one_vs_all)
    own = table[(table["model"] == "fine_grained") & (table["column"] == "combined")]
    reduction = own.set_index(["level", "case", "seed"])["reduction_shape"]
    assert reduction["case", "cat", 0] == 1  # no error left of one
    assert reduction["case", "cow", 0] == pytest.approx(1 / 2)
    assert reduction["case", "dog", 1] == 0
    assert reduction["all", "mean", 0] == pytest.approx(1 - 3 / 6)
    assert reduction["all", "mean", 1] == pytest.approx(1 - 6 / 9)
    row = pick(summary, level="all", model="fine_grained", column="combined")
    assert row["reduction_shape_mean"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert table.drop(own.index)["reduction_shape"].isna().all()


def test_no_error_to_reduce(results):
    images = [write_images(results)]
    scores = [
        write_scores(results, f"cat/{model}/seed0", combined=made("cat", wrong))
        for model, wrong in (("fine_grained", 1), ("shape", 0))
    ]
    _, summary = measured("one_vs_all", images, scores)
    assert summary["reduction_shape_mean"].isna().all()
    assert protocols.reductions_text(summary) == ["shape makes no AUROC error to reduce"]


def test_random_scores(results):
    classes = {"cat": 4000, "dog": 4000}
    rng = np.random.default_rng(0)
    scores = {name: rng.random(count) for name, count in classes.items()}
    path = write_scores(results, "cat/fine_grained/seed0", combined=scores)
    table, _ = measured("one_vs_all", [write_images(results, classes=classes)], [path])
    assert table["auroc"].to_numpy() == pytest.approx([0.5, 0.5], abs=0.02)


def test_out_of_distribution(results):
    """Every other data set is a case against all classes of the own one."""
    images = [write_images(results), write_images(results, "near"), write_images(results, "far")]
    place = "all/fine_grained/seed0"
    scores = [
        write_scores(results, place, source, combined={n: np.full(4, v) for n in CLASSES})
        for source, v in (("made", 0.4), ("near", 0.4), ("far", 0.9))
    ]
    table, summary = measured("out_of_distribution", images, scores)
    assert dict(zip(table["case"], table["auroc"], strict=True)) == {
        "near": 0.5, "far": 1, "mean": 0.75,
    }  # fmt: skip
    row = pick(summary, case="far")
    assert (row["normal"], row["anomalous"]) == (12, 12)


FACES = {"bona_fide": 20, "mask": 4, "print": 8}


def write_faces(results, seed=0):
    """Bona fide scores 0.00 to 0.19, masks above all, half of the prints among them."""
    scores = {
        "bona_fide": np.arange(20) / 100,
        "mask": np.full(4, 0.9),
        "print": np.array([0.005, 0.015, 0.025, 0.035, 0.5, 0.5, 0.5, 0.5]),
    }
    path = write_scores(results, f"bona_fide/fine_grained/seed{seed}", combined=scores)
    # 5 % of the held-out pictures are above 0.095.
    levels = np.linspace(0, 0.1, 1001)
    made_files.write_calibration(
        path.parents[1] / "calibration.h5", {"rotation": levels}, combined=levels
    )
    pixel = write_scores(results, "bona_fide/pixel", pca=scores, nearest=scores)
    return [write_images(results, classes=FACES)], [path, pixel]


def test_presentation_attack(results):
    table, _ = measured("presentation_attack", *write_faces(results))
    method = table[table["model"] == "fine_grained"].set_index("case")
    assert list(method.index) == ["mask", "print", "pooled", "worst"]
    assert method["auroc"].to_list() == pytest.approx(
        [1, 0.5 + 10 / 160, (4 + 4 + 4 * 0.125) / 12, 0.5 + 10 / 160]
    )
    assert method["apcer_at_bpcer5"].to_list() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    # At 0.095, fixed beforehand, bona fide 0.10 to 0.19 are rejected.
    assert method["bpcer"].to_list() == pytest.approx([0.5] * 4)
    assert method["acer"].to_list() == pytest.approx([1 / 4, 1 / 2, 5 / 12, 1 / 2])
    assert method.loc["worst", "eer"] == method["eer"].max() == method.loc["print", "eer"]
    assert method.loc["pooled", "anomalous"] == 12
    pixel = table[table["column"] == "pca"].set_index("case")
    assert pixel["acer"].isna().all() and pixel["eer"].equals(method["eer"])


def test_scores_that_do_not_belong_to_the_pictures(results):
    images = [write_images(results)]
    one_less = CLASSES | {"cow": 3}
    scores = [write_scores(results, "cat/a/seed0", combined=made("cat", 0, one_less))]
    with pytest.raises(InputError, match="3 scores for class cow, which has 4 pictures"):
        measured("one_vs_all", images, scores)
    other = write_scores(results, "cat/a/seed0", "other", combined=made("cat", 0))
    with pytest.raises(InputError, match=r"no images\.h5 of data set other"):
        measured("one_vs_all", images, [other])


def test_a_missing_run_is_named(one_vs_all):
    images, scores = one_vs_all
    with pytest.raises(InputError, match="model shape has no scores in case dog with seed 1"):
        measured("one_vs_all", images, [p for p in scores if "dog/shape/seed1" not in str(p)])
    with pytest.raises(InputError, match="the pixel baselines have no scores in case dog"):
        measured("one_vs_all", images, [p for p in scores if "dog/pixel" not in str(p)])


@pytest.mark.parametrize("classes", [{"cat": 4}, {"dog": 4}, {"cat": 4, "dog": 0}])
def test_one_kind_of_picture_only(results, classes):
    images = [write_images(results, classes=classes)]
    scores = [write_scores(results, "cat/a/seed0", combined=made("cat", 0, classes | {"x": 0}))]
    found = {name: np.zeros(count) for name, count in classes.items()}
    scores = [write_scores(results, "cat/a/seed0", combined=found)]
    with pytest.raises(InputError, match=r"no (normal|anomalous) test picture"):
        measured("one_vs_all", images, scores)


def test_no_attacks(results):
    classes = {"bona_fide": 4}
    scores = {"bona_fide": np.zeros(4)}
    path = write_scores(results, "bona_fide/a/seed0", combined=scores)
    with pytest.raises(InputError, match="nothing anomalous"):
        measured("presentation_attack", [write_images(results, classes=classes)], [path])


def written(results, protocol, images, scores):
    """The outputs of `write_protocol`: page, summary, runs, figure."""
    files = [results / f"{protocol}{end}" for end in (".html", ".csv", "_runs.csv", ".svg")]
    page.write_protocol(
        *files, protocol=protocol, dataset="made", plan=PLAN, scores=scores, images=images
    )
    return files


def test_page(pages):
    html, summary, runs, figure = pages
    text = html.read_text()
    assert "http" not in re.sub(r"http://www\.w3\.org/\S+", "", text)
    assert "3 of 3 classes" in text and "Run with 2 seeds;" in text and "A note." in text
    assert "87.5 ± " not in text  # the mean over classes is 81.2, of 87.5 and 75
    assert "81.2 ± 8.8" in text and "less AUROC error than shape" in text
    assert "18.8 points above" in text  # PCA wins, and it is said
    assert text.count("data:image/png;base64,") == 3 * 4
    assert text.count("cow/3.png") > 0
    identifiers = re.findall(r'\bid="([^"]*)"', text)
    assert len(identifiers) == len(set(identifiers))
    assert len(pd.read_csv(runs)) == (3 + 1) * (4 * 3 + 2)
    assert figure.read_text().startswith("<?xml")
    assert set(pd.read_csv(summary)["dataset"]) == {"made"}


def test_page_of_attacks(results):
    files = written(results, "presentation_attack", *write_faces(results))
    text = files[0].read_text()
    assert "APCER at 5 % BPCER" in text and "of 2 types" in text
    printed = protocols.summary_text(protocols.read_summary(files[1]))
    assert re.search(rf"^worst +50\.0 +{UNKNOWN} +{UNKNOWN}$", printed, re.MULTILINE)  # ACER


def test_page_of_other_data_sets(results):
    images = [write_images(results), write_images(results, "far")]
    scores = [
        write_scores(
            results, "all/fine_grained/seed0", source, combined={n: np.full(4, v) for n in CLASSES}
        )
        for source, v in (("made", 0.4), ("far", 0.9))
    ]
    html = written(results, "out_of_distribution", images, scores)[0]
    assert "the pictures of far" in html.read_text()


def test_equal_input_gives_equal_files(results, one_vs_all, pages):
    again = written(results, "one_vs_all", *one_vs_all)
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in pages]


def test_printed_table(pages):
    _, summary, runs, _ = pages
    lines = protocols.summary_text(protocols.read_summary(summary)).splitlines()
    assert lines[0] == "made, one_vs_all: 3 cases, 2 seeds"
    head, *rows = [re.split(r"  +", line) for line in lines[2:7]]
    assert head == ["AUROC, %", "fine grained", "shape", "PCA of pixels", "nearest picture"]
    assert rows[0] == ["cat", "93.8 ± 8.8", "81.2 ± 8.8", "100.0", "50.0"]
    assert [row[0] for row in rows] == ["cat", "cow", "dog", "mean"]
    assert lines[-2] == "fine grained: 41.7 ± 11.8 % less AUROC error than shape"
    assert lines[-1] == "PCA of pixels (100.0 %) has the highest AUROC"
    with pytest.raises(InputError, match="no column"):
        protocols.read_summary(runs)


def test_the_winner_is_named_and_pretrained_networks_are_marked(results):
    """`known` is best; of what learns from the pictures alone the other sum of `own` is."""
    images = [write_images(results)]
    scores = [
        write_scores(results, f"{normal}/{model}/seed0",
                     **{column: made(normal, wrong) for column, wrong in columns.items()})
        for normal in CLASSES
        for model, columns in {
            "own": {"rotation": 4, "combined": 2, "summed": 1}, "known": {"combined": 0},
        }.items()
    ]  # fmt: skip
    _, summary = measured("one_vs_all", images, scores)
    summary = protocols.with_pretrained(summary, {"known": "resnet18"})
    assert protocols.score_names(summary) == ["own", "own, summed", "known*"]
    text = protocols.winners_text(summary, "mean")
    assert text == (
        "known* (100.0 %) has the highest AUROC; of what learns from the normal pictures alone, "
        "own, summed (87.5 %)"
    )
    alone = summary[summary["model"] == "own"]
    assert protocols.winners_text(alone, "mean") == "own, summed (87.5 %) has the highest AUROC"
    page.write_csv(summary, results / "s.csv", protocol="one_vs_all", dataset="made")
    printed = protocols.summary_text(protocols.read_summary(results / "s.csv"))
    assert text in printed and "* known uses resnet18" in printed


def test_extremes_are_ranked(results):
    values = {"cat": np.linspace(0, 0.5, 30), "dog": np.linspace(1, 0.6, 12)}
    path = write_scores(results, "cat/a/seed0", combined=values)
    counts = {"made": {"cat": 30, "dog": 12}}
    (run,) = protocols.read_runs([path], counts)
    lowest, highest = page.extremes(run, [("made", "cat"), ("made", "dog")])
    assert [row[1:3] for row in lowest] == [("cat", row) for row in range(page.STRIP)]
    assert [row[1:3] for row in highest] == [("dog", row) for row in range(page.STRIP)]
