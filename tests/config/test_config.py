"""The configuration: complete in the schema, merged in order, and the same on the command line."""

import copy
import json
import shlex
from pathlib import Path
from typing import get_args

import pytest
import yaml

from ssmtl import cli, config
from ssmtl.cli.options import expanded, gathered
from ssmtl.core.errors import InputError
from ssmtl.core.settings import Settings

SHIPPED = Path(__file__).parents[2] / "config.yaml"


@pytest.fixture
def shipped():
    return yaml.safe_load(SHIPPED.read_text())


SECTIONS = config.SECTIONS


@pytest.mark.parametrize("stage", SECTIONS)
def test_every_key_of_a_stage_is_described_and_has_a_default_that_fits(stage):
    for name, field in SECTIONS[stage].model_fields.items():
        assert field.description.strip().endswith("."), f"{stage}.{name}"
        assert not field.is_required(), f"{stage}.{name}"
    config.check({"datasets": {}, "run": {"datasets": []}, stage: config.defaults(stage)})


def classes(section: type[Settings]) -> set[type[Settings]]:
    """A section and all sections within it."""

    def inner(annotation) -> list[type]:
        parts = [part for argument in get_args(annotation) for part in inner(argument)]
        return [annotation, *parts]

    found = {section}
    for field in section.model_fields.values():
        for part in inner(field.annotation):
            if isinstance(part, type) and issubclass(part, Settings):
                found |= classes(part)
    return found


def test_every_key_is_described_in_every_section():
    found = classes(config.Config)
    assert set(SECTIONS.values()) < found and len(found) > 17
    for section in found:
        assert section.__doc__, section
        for name, field in section.model_fields.items():
            assert field.description and field.description.endswith("."), (section, name)


def test_the_schema_refuses_unknown_keys_everywhere():
    schema = config.schema()
    sections = [schema, *(part for part in schema["$defs"].values() if "properties" in part)]
    assert len(sections) > 17
    assert all(part["additionalProperties"] is False for part in sections)
    assert schema["required"] == ["datasets"] and schema["$defs"]["Dataset"]["required"] == [
        "reader"
    ]


def test_whole_numbers_and_floats_have_one_form():
    same = [{"sigma": 10}, {"sigma": 10.0}]
    texts = {json.dumps(SECTIONS["evaluate"].parse(values).model_dump()) for values in same}
    assert len(texts) == 1 and '"sigma": 10.0' in texts.pop()
    tree = {"datasets": {"d": {"reader": "ucsd", "evaluate": {"sigma": 10}}}}
    assert repr(config.settings(tree, "evaluate", "d")["sigma"]) == "10.0"
    assert (
        repr(config.dataset({"datasets": {"d": {"reader": "x", "fps": 10}}}, "d")["fps"]) == "10.0"
    )


@pytest.mark.parametrize(
    ("section", "key", "former"),
    [
        ("detect", "batch", 0),
        ("detect", "names", ""),
        ("teachers", "names", ""),
        ("cubes", "min_side", 0),
        ("cubes", "nested", 0),
        ("cubes", "ignore", ""),
        ("cubes", "train_max", 0),
        ("watch", "threshold", 0),
        ("watch", "give_up", 0),
        ("ablation", "model", ""),
    ],
)
def test_what_meant_off_or_automatic_in_version_0_1_is_null_now(section, key, former):
    assert SECTIONS[section].parse({key: None}).model_dump()[key] is None
    with pytest.raises(InputError) as error:
        SECTIONS[section].parse({key: former}, section)
    assert str(error.value).startswith(f"{section}.{key}: {former!r} of version 0.1 is now null")
    # Files of that version still mean what they meant.
    assert SECTIONS[section].upgraded({key: former}) == {key: None}


@pytest.mark.parametrize("section", ["detect", "teachers"])
def test_a_detectors_own_options_have_their_line_and_their_place(section):
    with pytest.raises(InputError, match=rf"'cfg' at {section}; since version 0.2 it is back"):
        SECTIONS[section].parse({"backend": "darknet", "cfg": "a.cfg"}, section)
    for former, now in (("a.cfg", {"backend_options": {"cfg": "a.cfg"}}), ("", {}), (None, {})):
        assert SECTIONS[section].upgraded({"cfg": former}) == now
    for values, words in (
        (
            {"backend": "darknett"},
            f"{section}.backend: no detector 'darknett'; did you mean 'dar",
        ),
        ({"backend_options": {"cgf": "a"}}, f"at {section}.backend_options; did you mean 'cfg'?"),
        ({"backend_options": {"cfg": 3}}, f"{section}.backend_options.cfg: 3 is not text"),
        ({"backend": "ultralytics", "backend_options": {"cfg": "a"}}, "_options; it has none"),
    ):
        with pytest.raises(InputError) as error:
            SECTIONS[section].parse({"backend": "darknet"} | values, section)
        assert words in str(error.value)


def test_another_detector_begins_with_its_own_options():
    own = {"backend": "darknet", "backend_options": {"cfg": "own.cfg"}}
    tree = {"detect": own, "teachers": {"backend_options": {"cfg": "own.cfg"}}}
    tree["datasets"] = {"d": {"reader": "ucsd"}, "e": {"reader": "ucsd"}}
    tree["datasets"]["e"] |= {key: {"backend": "ultralytics"} for key in ("detect", "teachers")}
    for section in ("detect", "teachers"):
        options = [config.settings(tree, section, name)["backend_options"] for name in "de"]
        assert options == [{"cfg": "own.cfg"}, {}]


@pytest.mark.parametrize("value", ["0.001", True, None, [1], float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError, match=r"train\.learning_rate: .* is no"):
        SECTIONS["train"].parse({"learning_rate": value}, "train")


def test_defaults_are_copies():
    config.defaults("train")["tasks"].append("spoiled")
    assert "spoiled" not in config.defaults("train")["tasks"]
    assert config.defaults("train")["batch"] == 256


def test_later_layers_win_in_the_documented_order():
    tree = {
        "train": {"batch": 11, "epochs": 1, "learning_rate": 1},
        "models": {"m": {"train": {"batch": 12, "epochs": 2}}, "n": {}},
        "datasets": {
            "d": {"reader": "ucsd", "train": {"batch": 13}, "cubes": {"size": 32}},
            "e": {"reader": "ucsd"},
        },
    }

    def found(*where):
        values = config.settings(tree, "train", *where)
        return [values[key] for key in ("batch", "epochs", "learning_rate", "schedule")]

    assert found("d", "m") == [13, 2, 1, "constant"]
    assert found("e", "m") == [12, 2, 1, "constant"]
    assert found("d", "n") == found("d") == [13, 1, 1, "constant"]
    assert found() == [11, 1, 1, "constant"]
    assert config.settings(tree, "cubes", "d")["size"] == 32
    assert config.settings(tree, "cubes", "e")["size"] == 64
    assert config.settings({"datasets": {}}, "cubes") == config.defaults("cubes")


def test_data_set_and_run_defaults():
    tree = {"datasets": {"mine": {"reader": "videos", "shards": {"train": 4}}}}
    data = config.dataset(tree, "mine")
    assert data["path"] == "data/mine" and data["shards"] == {"train": 4, "test": 1}
    assert data["exclude"] == [] and data["allow_partial"] is False and data["models"] == ["paper"]
    assert "published" not in data
    assert config.dataset({"datasets": {"a": {"reader": "x", "path": "p"}}}, "a")["path"] == "p"
    assert config.run({}) == {"datasets": ["demo"], "compared": [], "seeds": [0]}
    assert config.run({"run": {"seeds": [1, 2]}}) == config.run({}) | {"seeds": [1, 2]}
    with pytest.raises(InputError, match="no data set 'yours'; there are mine"):
        config.dataset(tree, "yours")


IMAGES = {
    "images": {"size": 48},
    "models": {"a": {"train": {"batch": 2, "epochs": 2}}, "b": {}},
    "datasets": {},
    "image_datasets": {
        "mine": {
            "reader": "digits",
            "models": ["a", "b"],
            "images": {"size": 24},
            "train": {"batch": 3},
            "score": {"batch": 4},
            "others": ["yours"],
        },
        "yours": {"reader": "image_folder", "path": "p", "models": ["b"]},
    },
}


def test_image_data_sets_have_defaults_and_the_same_layers():
    data = config.image_dataset(IMAGES, "yours")
    assert data["path"] == "p" and data["seeds"] == [0] and "classes" not in data
    assert data["options"] == {} and data["others"] == [] and data["notes"] == []
    assert config.image_dataset(IMAGES, "mine")["path"] == "data/mine"
    plain = {"image_datasets": {"x": {"reader": "digits"}}}
    assert config.image_dataset(plain, "x")["models"] == ["fine_grained", "shape", "rotation"]
    assert config.settings(IMAGES, "images", "mine") == {"size": 24}
    assert config.settings(IMAGES, "images", "yours") == {"size": 48}
    assert config.settings(plain | {"datasets": {}}, "images", "x") == {"size": 32}
    train = config.settings(IMAGES, "train", "mine", "a")
    assert (train["batch"], train["epochs"]) == (3, 2)
    assert config.settings(IMAGES, "score", "mine", "a")["batch"] == 4
    with pytest.raises(InputError, match="no image data set 'his'; there are mine, yours"):
        config.image_dataset(IMAGES, "his")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": ["a", "huge"]}, "mine.models names 'huge', which is not under models (a, b)"),
        ({"others": ["his"]}, "mine.others names 'his', which is not under image_datasets (mine, "),
        ({"others": ["mine"]}, "mine.others names itself"),
        ({"cubes": {"size": 8}}, "unknown key 'cubes' at image_datasets.mine"),
        ({"images": {"size": 4}}, "image_datasets.mine.images.size: 4 is less than the minimum"),
        ({"seeds": []}, "image_datasets.mine.seeds"),
    ],
)
def test_mistakes_in_image_data_sets_are_named_in_one_line(change, message):
    config.check(IMAGES | {"run": {"datasets": []}})
    tree = copy.deepcopy(IMAGES)
    tree["image_datasets"]["mine"] |= change
    with pytest.raises(InputError) as error:
        config.check(tree | {"run": {"datasets": []}})
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_image_data_set_may_not_have_the_name_of_another():
    tree = IMAGES | {"datasets": {"mine": {"reader": "videos"}}, "models": {"paper": {}, "a": {}}}
    with pytest.raises(InputError, match="mine has the name of one of datasets; rename one"):
        config.check(tree | {"run": {"datasets": []}})


def parsed(stage: str, text: str) -> dict:
    """A stage's settings as the command line understands them."""
    required = {
        "frames": "out --manifest m --split test",
        "detect": "out --frames f",
        "cubes": "out --frames f --detections d --split test",
        "teachers": "out --frames f --detections d --cubes c --split test",
        "features": "out --frames f --cubes c --split test",
        "train": "out --cubes c --teachers t",
        "score": "out --model m --cubes c --teachers t",
        "evaluate": "out table --manifest m --scores s --dataset d",
        "sensitivity": "out --manifest m --scores s --calibration c",
        "images": "out --reader r --split test",
        "watch": "source --model m",
    }[stage]
    words = [stage, *required.split(), *shlex.split(text)]
    run, bound, _ = cli.app.parse_args(words, exit_on_error=False, print_error=False)
    bound.apply_defaults()
    _, sections = expanded(run.__wrapped__)
    return gathered(bound.arguments, sections)["settings"].model_dump()


@pytest.mark.parametrize("stage", [*config.STAGES, "sensitivity", "images", "watch"])
def test_defaults_on_the_command_line(stage):
    plain, spelt_out = parsed(stage, ""), parsed(stage, config.flags(config.defaults(stage)))
    assert plain == config.defaults(stage)
    # To the type of every value: finished clips are recognised by the settings' text.
    assert repr(sorted(plain.items())) == repr(sorted(spelt_out.items()))


@pytest.mark.parametrize("stage", config.STAGES)
def test_shipped_settings_survive_the_command_line(stage, shipped):
    config.check(shipped)
    for name, data in shipped["datasets"].items():
        for model in data.get("models", ["paper"]):
            values = config.settings(shipped, stage, name, model)
            assert parsed(stage, config.flags(values)) == values


@pytest.mark.parametrize("stage", ["images", "train", "score"])
def test_shipped_settings_of_pictures_survive_the_command_line(stage, shipped):
    for name in shipped["image_datasets"]:
        for model in config.image_dataset(shipped, name)["models"]:
            values = config.settings(shipped, stage, name, model)
            assert parsed(stage, config.flags(values)) == values


def test_awkward_values_survive_the_command_line():
    values = config.defaults("detect") | {
        "weights": "my weights/it's $HOME.pt",
        "names": None,
        "confidence": 1e-7,
        "iou": 1.0,
    }
    assert parsed("detect", config.flags(values)) == values
    tree = {"datasets": {}, "train": {"tasks": ["middle_box"], "learning_rate": 3e-05}}
    values = config.settings(tree, "train")
    assert parsed("train", config.flags(values)) == values


def test_flags_do_not_depend_on_the_order_of_keys():
    assert config.flags({"b_c": 1, "a": ["x", "y"]}) == "--a x,y --b-c 1"
    assert config.flags({"a": ["x", "y"], "b_c": 1}) == "--a x,y --b-c 1"


def test_flags_of_each_kind_of_value():
    assert config.flags({"on": True, "off": False, "none": None}) == "--none null --no-off --on"
    assert config.flags({"a": {"x": {"m": 0.2, "k": 3}}}) == "--a.x.k 3 --a.x.m 0.2"
    assert config.flags({"size": 8}, "cubes_") == "--cubes-size 8"
    assert config.flags({"on": False}, "cubes_") == "--no-cubes-on"


MISTAKES = [
    (["cubes", "sise"], 64, "unknown key 'sise' at cubes; did you mean 'size'?"),
    (["datasets", "ped2", "detct"], {}, "'detct' at datasets.ped2; did you mean 'detect'?"),
    (["datasets", "ped2", "cubes", "radios"], 3, "at datasets.ped2.cubes; did you mean 'radius'"),
    (["gpus"], 1, "unknown key 'gpus' at top level; known are run, seed, frames, detect"),
    (["train", "batch"], "large", "train.batch: 'large' is not a whole number"),
    (["train", "batch"], 1, "train.batch: 1 is less than the minimum of 2"),
    (["frames", "quality"], 101, "frames.quality: 101 is greater than the maximum of 100"),
    (["evaluate", "border"], "mirror", "evaluate.border: 'mirror' is none of 'zero', 'replicate'"),
    (["datasets", "bad name"], {"reader": "ucsd"}, "'bad name' does not match"),
    (["datasets", "ped2", "reader"], None, "datasets.ped2.reader: None is not text"),
    (["datasets", "ped2", "models"], ["paper", "huge"], "datasets.ped2.models names 'huge'"),
    (["run", "datasets"], ["ped3"], "run.datasets names 'ped3', which is not under datasets"),
    (["evaluate", "filter_size"], 8, "config: evaluate.filter_size: 8 must be odd"),
    (
        ["models", "cpu", "evaluate", "filter_size"],
        4,
        "models.cpu.evaluate.filter_size: 4 must be odd",
    ),
    (
        ["datasets", "ped2", "evaluate"],
        {"filter_size": 2},
        "ped2.evaluate.filter_size: 2 must be odd",
    ),
    (["train", "tasks"], [], "train.tasks"),
    (["models", "cpu", "cubes"], {"size": 3}, "unknown key 'cubes' at models.cpu"),
    (["ablation", "model"], "huge", "ablation.model names 'huge', which is not under models"),
    (["ablation", "variants"], {"full": {}}, "ablation.variants.full: that name is taken"),
    (["ablation", "variants"], {"x": {"evaluate": {"filter_size": 4}}}, "variants.x.evaluate.fil"),
    (["ablation", "variants"], {"x": {"train": {"flp": True}}}, "unknown key 'flp' at ablation.va"),
    (["sensitivity", "filter_size"], [3, 4], "sensitivity.filter_size.1: 4 must be odd"),
    (["datasets", "ped2", "sensitivity"], {"sigma": ["a"]}, "sigma.0: 'a' is not a number"),
]


@pytest.mark.parametrize(("place", "value", "message"), MISTAKES)
def test_mistakes_are_named_in_one_line(shipped, place, value, message):
    tree = copy.deepcopy(shipped)
    *parents, last = place
    node = tree
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = value
    with pytest.raises(InputError) as error:
        config.check(tree)
    assert str(error.value).startswith("config: ") and message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_even_filter_is_found_without_any_model():
    tree = {"datasets": {"demo": {"reader": "demo", "evaluate": {"filter_size": 8}}}}
    with pytest.raises(InputError, match="must be odd"):
        config.check(tree)


def test_a_data_set_needs_a_reader():
    with pytest.raises(InputError, match=r"datasets\.mine\.reader: is missing"):
        config.check({"datasets": {"mine": {}}})
    with pytest.raises(InputError, match="config: datasets: is missing"):
        config.check({})


def test_one_seed_for_the_command_line_reaches_models_and_scenes():
    shipped = {
        "seed": 7,
        "run": {"datasets": ["a"]},
        "datasets": {
            "a": {"reader": "demo", "options": {"seed": 0, "test_clips": 2}},
            "b": {"reader": "videos"},
        },
        "image_datasets": {"c": {"reader": "digits", "seeds": [0, 1, 2]}},
    }
    found = config.seeded(shipped)
    assert found["run"] == {"datasets": ["a"], "seeds": [7]}
    assert found["datasets"]["a"]["options"] == {"seed": 7, "test_clips": 2}
    assert found["datasets"]["b"] == {"reader": "videos"}
    assert found["image_datasets"]["c"]["seeds"] == [7]
    assert "seed" not in found
    assert shipped["datasets"]["a"]["options"]["seed"] == 0


# ---------------------------------------------------------------- variants of a model

TREE = {
    "train": {"cubes_seen": 100, "tasks": ["arrow_of_time", "middle_box", "distillation"]},
    "models": {
        "m": {"train": {"encoder_options": {"width": "wide"}}, "score": {"fusion": "ecdf"}},
        "n": {},
    },
    "datasets": {
        "d": {
            "reader": "ucsd",
            "models": ["m"],
            "train": {"encoder_options": {"depth": "deep"}, "batch": 8},
        },
        "e": {"reader": "ucsd", "models": ["n"], "ablation": {"groups": ["encoders"]}},
    },
    "ablation": {
        "variants": {
            "mean_fusion": {"score": {"fusion": "mean"}},
            "plain": {"train": {"batch": 8}},
            "raw": {"evaluate": {"sigma": 0}},
            "short": {"train": {"cubes_seen": 10}},
        }
    },
}


def with_reduced(values: dict) -> dict:
    tree = copy.deepcopy(TREE)
    tree["ablation"]["train"] = values
    return tree


@pytest.mark.parametrize(
    ("variant", "changes"),
    [
        ("full", {}),
        ("only_middle_box", {"tasks": ["middle_box"]}),
        ("without_middle_box", {"tasks": ["arrow_of_time", "distillation"]}),
        ("shallow_narrow", {"encoder_options": {"depth": "shallow", "width": "narrow"}}),
        ("short", {"cubes_seen": 10}),
    ],
)
def test_a_variant_changes_its_own_settings_last(variant, changes):
    base = config.settings(TREE, "train", "d", "m")
    assert base["encoder_options"] == {"width": "wide", "depth": "deep"} and base["batch"] == 8
    if tasks := changes.get("tasks"):
        changes = changes | {"task_options": {name: base["task_options"][name] for name in tasks}}
    assert config.settings(TREE, "train", "d", f"m.{variant}") == base | changes
    reduced = with_reduced({"cubes_seen": 50})
    expected = base | {"cubes_seen": 50} | changes
    assert config.settings(reduced, "train", "d", f"m.{variant}") == expected
    assert config.settings(reduced, "train", "d", "m") == base
    assert config.settings(reduced, "cubes", "d", f"m.{variant}") == config.defaults("cubes")


def test_rows_of_an_ablation():
    rows = config.ablation(TREE, "d")
    assert [(row["variant"], row["group"]) for row in rows] == [
        ("full", "full"),
        ("only_arrow_of_time", "only"),
        ("only_middle_box", "only"),
        ("only_distillation", "only"),
        ("without_arrow_of_time", "without"),
        ("without_middle_box", "without"),
        ("without_distillation", "without"),
        ("shallow_narrow", "encoders"),
        ("shallow_wide", "encoders"),
        ("deep_narrow", "encoders"),
        ("deep_wide", "encoders"),
        ("mean_fusion", "options"),
        ("plain", "options"),
        ("raw", "options"),
        ("short", "options"),
    ]
    models = {row["variant"]: row["model"] for row in rows}
    # What equals the full set is the full set, and it is the model itself.
    assert models.pop("full") == models.pop("deep_wide") == models.pop("plain") == "m"
    assert all(model == f"m.{variant}" for variant, model in models.items())
    assert [row["variant"] for row in config.ablation(TREE, "e")][:2] == ["full", "shallow_narrow"]
    assert len(config.ablation(TREE, "e")) == 5


def test_a_reduced_ablation_has_a_full_set_of_its_own():
    reduced = with_reduced({"cubes_seen": 10})
    models = {row["variant"]: row["model"] for row in config.ablation(reduced, "d")}
    assert models["full"] == models["deep_wide"] == models["short"] == "m.full"
    assert config.ablation_plan(reduced, "d")["reduced"] == {"cubes_seen": [100, 10]}
    assert config.ablation_plan(TREE, "d")["reduced"] == {}


@pytest.mark.parametrize(
    ("variant", "train", "score"),
    [
        ("mean_fusion", "m", "m.mean_fusion"),
        ("raw", "m", "m"),
        ("full", "m", "m"),
        ("short", "m.short", "m.short"),
    ],
)
def test_what_settings_share_is_made_once(variant, train, score):
    name = f"m.{variant}"
    assert config.shared(TREE, "train", "d", name) == train
    assert config.shared(TREE, "score", "d", name) == score
    reduced = with_reduced({"batch": 4})
    assert config.shared(reduced, "train", "d", name) == ("m.full" if train == "m" else train)
    assert config.shared(TREE, "evaluate", "d", "m") == "m"


def test_a_model_with_one_task_leaves_none_out():
    tree = copy.deepcopy(TREE)
    tree["train"]["tasks"] = ["middle_box"]
    rows = {row["variant"]: row["model"] for row in config.ablation(tree, "d")}
    assert "without_middle_box" not in rows
    assert rows["only_middle_box"] == "m"


def test_an_unknown_variant_is_named():
    with pytest.raises(InputError, match="model 'm' has no variant 'only_jigsaw' on d; there are"):
        config.settings(TREE, "train", "d", "m.only_jigsaw")


def test_numbers_of_a_list_survive_the_command_line():
    values = config.defaults("sensitivity") | {"sigma": [0, 2.5, 21], "border": ["zero"]}
    assert parsed("sensitivity", config.flags(values)) == values


def test_a_path_may_name_an_environment_variable(monkeypatch):
    def path(text: str) -> str:
        data = {"datasets": {}, "image_datasets": {"a": {"reader": "image_folder", "path": text}}}
        return config.image_dataset(data, "a")["path"]

    monkeypatch.delenv("SSMTL_DATA", raising=False)
    assert path("${SSMTL_DATA:-data}/flowers5") == "data/flowers5"
    assert path("data/$x/y") == "data/$x/y"
    with pytest.raises(InputError, match=r"image_datasets\.a\.path: the environment variable"):
        path("${SSMTL_DATA}/flowers5")
    monkeypatch.setenv("SSMTL_DATA", "/far/away")
    assert path("${SSMTL_DATA:-data}/flowers5") == path("${SSMTL_DATA}/flowers5")
    assert path("${SSMTL_DATA}/flowers5") == "/far/away/flowers5"
