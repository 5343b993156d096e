"""JSON and CSV files of ours: read as they were written, or refused in one line."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmtl.core.errors import InputError
from ssmtl.core.spreadsheet import FORMULA, plain_cell, safe_cell
from ssmtl.formats import tables, watcher
from ssmtl.formats.card import read_card
from ssmtl.formats.frame_scores import read_frame_scores
from ssmtl.formats.history import read_history
from ssmtl.formats.manifest import COLUMNS, read_manifest
from ssmtl.formats.metrics import read_metrics

MANIFEST = "test,0,01,clips/01,20,25.0,64,48,5-9:running,,"
SCORES = "01,0,0,,1,0.5,0.25\n01,1,1,fall,2,0.75,0.5\n"
FIRST = "clip,frame,label,kind,objects,combined,combined_smoothed\n"
HISTORY = "step,cubes_seen,split,loss_total\n10,160,train,0.5\n10,160,validation,0.25\n"
METRICS = {
    "dataset": "d",
    "model": "m",
    "seed": 0,
    "columns": ["combined"],
    "tasks": [],
    "border": "zero",
    "frames": 2,
    "labelled": True,
    "scores": {"zero": {"combined": {"micro": 0.75, "macro_strict": None}}},
    "clips": {"01": {}},
}
SPEC = {"size": 64, "radius": 3, "max_gap": 4, "tasks": ["jigsaw"], "classes": []}
SPEC |= {"encoder": "cnn3d", "encoder_options": {}, "task_options": {}}
CARD = {"spec": SPEC, "seed": 0, "train": {}}


def line_of(read, path) -> str:
    with pytest.raises(InputError) as error:
        read(path)
    line = str(error.value)
    assert line.startswith(str(path)) and "\n" not in line and len(line) < 400
    return line


def test_what_is_whole_is_read(tmp_path):
    path = tmp_path / "x"
    path.write_text(",".join(COLUMNS) + f"\n{MANIFEST}\n")
    assert read_manifest(path)["clip"].tolist() == ["01"]
    path.write_text(FIRST + SCORES)
    table = read_frame_scores(path)
    assert table["frame"].tolist() == [0, 1] and table["frame"].dtype == np.int64
    assert table["kind"].tolist() == ["", "fall"]
    path.write_text(HISTORY)
    assert read_history(path)["step"].tolist() == [10, 10]
    for read, content in ((read_metrics, METRICS), (read_card, CARD)):
        path.write_text(json.dumps(content))
        assert read(path)["seed"] == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("25.0", "0", "a clip with the fps 0"),
        ("25.0", "-1", "a clip with the fps -1"),
        ("25.0", "NaN", "'fps' is 'NaN', no finite number"),
        ("25.0", "", "a clip with the fps nan"),
        (",20,", ",2_0,", "'frames' is '2_0', no whole number"),
        (",20,", ",20.5,", "'frames' is '20.5', no whole number"),
        (",48,", ",0,", "a clip with the height 0"),
        ("5-9:", "5-20:", "labels 5-20 of clip 01 of 20 frames"),
        ("5-9:", "9-5:", "not an interval"),
        (",,", ",", "line 2 is longer or shorter"),
        ("test,", "rest,", "a split is neither train nor test"),
    ],
)
def test_a_manifest_that_cannot_be(tmp_path, old, new, words):
    path = tmp_path / "manifest.csv"
    path.write_text(",".join(COLUMNS) + f"\n{MANIFEST.replace(old, new)}\n")
    assert words in line_of(read_manifest, path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.75", "1.75", "line 3: a score is not in [0, 1]"),
        ("0.75", "", "line 3: a score is missing"),
        ("0.75", "inf", "line 3: 'combined' is 'inf', no finite number"),
        ("0.75", "0_75", "line 3: 'combined' is '0_75'"),
        ("01,1,", "01,5,", "line 3: the frames of a clip do not follow"),
        ("01,1,1", "01,1,2", "line 3: a label is neither 0 nor 1"),
        (",fall,", ",fall", "line 3 is longer or shorter"),
        ("0.5\n", "0.5", "its end is missing"),
        ("clip", "clap", "no column clip"),
    ],
)
def test_frame_scores_that_cannot_be(tmp_path, old, new, words):
    path = tmp_path / "frame_scores.csv"
    content = FIRST + SCORES
    at = content.rindex(old)
    path.write_text(content[:at] + new + content[at + len(old) :])
    if old == "clip":
        path.write_text(content.replace(old, new))
    assert words in line_of(read_frame_scores, path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000, "\xff", '{"seed": 0}'])
def test_json_that_is_no_card_and_no_metrics(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    line_of(read_card, path)
    line_of(read_metrics, path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("size", 1 << 40, "spec.size is"),
        ("size", "64", "spec.size is '64'"),
        ("radius", -1, "spec.radius is -1"),
        ("max_gap", True, "spec.max_gap is True"),
        ("tasks", ["../os"], "'../os' is no name of a task"),
        ("tasks", "jigsaw", "spec.tasks is no list"),
        ("encoder", "os.path", "'os.path' is no name"),
        ("task_options", None, "no spec.task_options"),
        ("encoder_options", [], "no spec.encoder_options"),
    ],
)
def test_a_card_that_cannot_be(tmp_path, key, value, words):
    path = tmp_path / "model.json"
    path.write_text(json.dumps(CARD | {"spec": SPEC | {key: value}}))
    assert words in line_of(read_card, path)


@pytest.mark.parametrize("key", SPEC)
def test_a_card_without_a_part_of_what_a_model_is_built_from(tmp_path, key):
    path = tmp_path / "model.json"
    spec = {name: value for name, value in SPEC.items() if name != key}
    path.write_text(json.dumps(CARD | {"spec": spec}))
    assert "not the card of an ssmtl model" in line_of(read_card, path)


@pytest.mark.parametrize("value", [1.5, float("nan"), "0.5", True, [0.5]])
def test_metrics_are_shares(tmp_path, value):
    path = tmp_path / "metrics.json"
    scores = {"zero": {"combined": {"micro": value}}}
    path.write_text(json.dumps(METRICS | {"scores": scores}))
    assert "scores.zero.combined.micro is" in line_of(read_metrics, path)


def write_watcher(folder, change=None, clip=None, score=0.5):
    about = {"settings": {stage: {} for stage in watcher.STAGES}}
    about["normal"] = {"01": clip or {"fps": 25.0, "frames": 4}}
    if change:
        about["settings"]["detect"] = change
    (folder / watcher.CARD).write_text(json.dumps(about))
    table = pd.DataFrame({"clip": "01", "time": np.arange(4) / 25, "score": score})
    table.to_csv(folder / watcher.NORMAL, index=False)


@pytest.mark.parametrize("name", ["../secret.pt", "/etc/passwd", "a/b.pt", "..", 5])
@pytest.mark.parametrize("key", watcher.FILES)
def test_a_watcher_names_files_of_its_folder_only(tmp_path, key, name):
    write_watcher(tmp_path, {key: name})
    with pytest.raises(InputError, match=rf"watcher\.json: detect\.{key} is .*plain name"):
        watcher.read_about(tmp_path)


@pytest.mark.parametrize("clip", [{"fps": 0, "frames": 4}, {"fps": None}, 25, {"fps": -1}])
def test_a_watcher_of_a_rate_that_cannot_be(tmp_path, clip):
    write_watcher(tmp_path, clip=clip)
    with pytest.raises(InputError, match=r"watcher\.json: clip 01 has fps"):
        watcher.read_about(tmp_path)


def test_normal_scores_are_those_that_the_watcher_names(tmp_path):
    write_watcher(tmp_path)
    about = watcher.read_about(tmp_path)
    assert len(watcher.read_normal(tmp_path, about)) == 4
    about["normal"]["01"]["frames"] = 5
    with pytest.raises(InputError, match=r"normal_scores\.csv: scores of {'01': 4}"):
        watcher.read_normal(tmp_path, about)
    write_watcher(tmp_path, score=1.5)
    with pytest.raises(InputError, match=r"a score is not in \[0, 1\]"):
        watcher.read_normal(tmp_path, about)


@pytest.mark.parametrize("name", ["NA", "null", "nan", "01", "1e5", "True", "", " a", 'q"t', "a,b"])
def test_text_is_text(tmp_path, name):
    path = tmp_path / "x.csv"
    pd.DataFrame({"clip": [name, "b"], "value": [1, None]}).to_csv(path, index=False)
    table = tables.read_csv(path, ("clip",))
    assert table["clip"].tolist() == [name, "b"]
    assert table["value"].iloc[0] == 1 and np.isnan(table["value"].iloc[1])


FORMULAS = ["=1+1", "+5", "-5", "@A1", "\tx", "\n=1", "\uff1d1", "'=1+1", "''@", "'", "gate", "-"]


def test_texts_that_a_spreadsheet_would_run_come_back(tmp_path):
    table = pd.DataFrame({"clip": FORMULAS, "score": -0.5})
    tables.write_csv(tmp_path / "x.csv", table)
    rows = list(csv.reader((tmp_path / "x.csv").open(newline="")))
    assert not [row[0] for row in rows if row[0].startswith(FORMULA)]
    assert rows[1][1] == "-0.500000"
    pd.testing.assert_frame_equal(tables.read_csv(tmp_path / "x.csv", ("clip",)), table)


@given(st.text())
def test_a_safe_cell_gives_back_its_text(text):
    cell = safe_cell(text)
    assert not cell.startswith(FORMULA) and plain_cell(cell) == text


def test_all_tables_are_written_by_one_function():
    package = Path(tables.__file__).parents[1]
    texts = {path.name: path.read_text() for path in package.rglob("*.py")}
    assert [name for name, text in texts.items() if ".to_csv(" in text] == ["tables.py"]
    # Lines that are added one by one.
    by_line = {name for name, text in texts.items() if re.search("csv.(Dict)?[wW]riter", text)}
    assert by_line == {"spreadsheet.py", "watch.py"}
    assert "safe_cell(found.source)" in texts["watch.py"]
