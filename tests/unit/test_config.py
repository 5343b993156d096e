"""The configuration: complete in the schema, merged in order, and the same on the command line."""

import copy
import shlex
from pathlib import Path

import pytest
import yaml

from ssmtl import cli, config
from ssmtl.errors import InputError

SHIPPED = Path(__file__).parents[2] / "config.yaml"


@pytest.fixture
def shipped():
    return yaml.safe_load(SHIPPED.read_text())


@pytest.mark.parametrize("stage", config.STAGES)
def test_every_key_of_a_stage_is_described_and_has_a_default_that_fits(stage):
    for name, key in config.keys(stage).items():
        assert key["description"].strip().endswith("."), f"{stage}.{name}"
        assert "default" in key and ("type" in key or "enum" in key), f"{stage}.{name}"
    assert config.schema()["$defs"][stage]["additionalProperties"] is False
    config.check({"datasets": {}, "run": {"datasets": []}, stage: config.defaults(stage)})


def test_every_other_key_is_described_too():
    schema = config.schema()
    for name, key in schema["properties"].items():
        assert "description" in key or key == {"$ref": f"#/$defs/{name}"}
    for part in (schema["$defs"]["dataset"], schema["properties"]["run"]):
        for name, key in part["properties"].items():
            assert "$ref" in key or key["description"], name
    assert set(config.STAGES) < set(schema["properties"])


def test_defaults_are_copies():
    config.defaults("train")["tasks"].append("spoiled")
    assert "spoiled" not in config.defaults("train")["tasks"]
    assert config.defaults("train")["batch"] == 256


def test_later_layers_win_in_the_documented_order():
    tree = {
        "train": {"batch": 1, "epochs": 1, "learning_rate": 1},
        "models": {"m": {"train": {"batch": 2, "epochs": 2}}, "n": {}},
        "datasets": {
            "d": {"reader": "ucsd", "train": {"batch": 3}, "cubes": {"size": 32}},
            "e": {"reader": "ucsd"},
        },
    }

    def found(*where):
        values = config.settings(tree, "train", *where)
        return [values[key] for key in ("batch", "epochs", "learning_rate", "schedule")]

    assert found("d", "m") == [3, 2, 1, "constant"]
    assert found("e", "m") == [2, 2, 1, "constant"]
    assert found("d", "n") == found("d") == [3, 1, 1, "constant"]
    assert found() == [1, 1, 1, "constant"]
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
    assert config.run({}) == {"datasets": ["demo"], "seeds": [0]}
    assert config.run({"run": {"seeds": [1, 2]}}) == {"datasets": ["demo"], "seeds": [1, 2]}
    with pytest.raises(InputError, match="no data set 'yours'; there are mine"):
        config.dataset(tree, "yours")


def parsed(stage: str, text: str) -> dict:
    """A stage's settings as the command line understands them."""
    command = "score" if stage == "score" else stage
    required = {
        "frames": "out --manifest m --split test",
        "detect": "out --frames f",
        "cubes": "out --frames f --detections d --split test",
        "teachers": "out --frames f --detections d --cubes c --split test",
        "train": "out --cubes c --teachers t",
        "score": "out --model m --cubes c --teachers t",
        "evaluate": "out table --manifest m --scores s --dataset d",
    }[stage]
    words = [command, *required.split(), *shlex.split(text)]
    return cli.settings_of(cli.commands().parse_args(words), stage)


@pytest.mark.parametrize("stage", config.STAGES)
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


def test_awkward_values_survive_the_command_line():
    values = config.defaults("detect") | {
        "weights": "my weights/it's $HOME.pt",
        "names": "",
        "confidence": 1e-7,
        "iou": 1.0,
    }
    assert parsed("detect", config.flags(values)) == values
    values = config.defaults("train") | {"tasks": ["middle_box"], "learning_rate": 3e-05}
    assert parsed("train", config.flags(values)) == values


def test_flags_do_not_depend_on_the_order_of_keys():
    assert config.flags({"b_c": 1, "a": ["x", "y"]}) == "--a x,y --b-c 1"
    assert config.flags({"a": ["x", "y"], "b_c": 1}) == "--a x,y --b-c 1"


MISTAKES = [
    (["cubes", "sise"], 64, "unknown key 'sise' at cubes; did you mean 'size'?"),
    (["datasets", "ped2", "detct"], {}, "'detct' at datasets.ped2; did you mean 'detect'?"),
    (["datasets", "ped2", "cubes", "radios"], 3, "at datasets.ped2.cubes; did you mean 'radius'"),
    (["gpus"], 1, "unknown key 'gpus' at top level; known are run, seed, frames, detect"),
    (["train", "batch"], "large", "train.batch: 'large' is not of type 'integer'"),
    (["train", "batch"], 1, "train.batch: 1 is less than the minimum of 2"),
    (["frames", "quality"], 101, "frames.quality: 101 is greater than the maximum of 100"),
    (["evaluate", "border"], "mirror", "evaluate.border: 'mirror' is not one of"),
    (["datasets", "bad name"], {"reader": "ucsd"}, "'bad name' does not match"),
    (["datasets", "ped2", "reader"], None, "datasets.ped2.reader: None is not of type 'string'"),
    (["datasets", "ped2", "models"], ["paper", "huge"], "datasets.ped2.models names 'huge'"),
    (["run", "datasets"], ["ped3"], "run.datasets names 'ped3', which is not under datasets"),
    (["evaluate", "filter_size"], 8, "evaluate.filter_size must be odd"),
    (["models", "cpu", "evaluate", "filter_size"], 4, "evaluate.filter_size must be odd"),
    (["datasets", "ped2", "evaluate"], {"filter_size": 2}, "evaluate.filter_size must be odd"),
    (["train", "tasks"], [], "train.tasks"),
    (["models", "cpu", "cubes"], {"size": 3}, "unknown key 'cubes' at models.cpu"),
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
    with pytest.raises(InputError, match=r"datasets\.mine: 'reader' is a required property"):
        config.check({"datasets": {"mine": {}}})
    with pytest.raises(InputError, match="'datasets' is a required property"):
        config.check({})


def test_unknown_options_end_with_status_2(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["frames", "out.h5", "--manifest", "m", "--split", "test", "--qualty", "9"])
    assert stop.value.code == 2
    assert "--qualty" in capsys.readouterr().err


def test_help_holds_every_key_with_its_description(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name, key in config.keys("train").items():
        assert f"--{name.replace('_', '-')}" in said
        assert " ".join(key["description"].split()) in said.replace("- ", "-")


def test_one_seed_for_the_command_line_reaches_models_and_scenes():
    shipped = {
        "seed": 7,
        "run": {"datasets": ["a"]},
        "datasets": {
            "a": {"reader": "demo", "options": {"seed": 0, "test_clips": 2}},
            "b": {"reader": "videos"},
        },
    }
    found = config.seeded(shipped)
    assert found["run"] == {"datasets": ["a"], "seeds": [7]}
    assert found["datasets"]["a"]["options"] == {"seed": 7, "test_clips": 2}
    assert found["datasets"]["b"] == {"reader": "videos"}
    assert "seed" not in found
    assert shipped["datasets"]["a"]["options"]["seed"] == 0
