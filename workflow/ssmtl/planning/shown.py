"""What pages and cards show of the configuration, as JSON."""

import json
from collections.abc import Iterable

from ssmtl import config as tree
from ssmtl.planning.pictures import ImageDataset
from ssmtl.planning.video import VideoDataset


def as_json(value: object) -> str:
    """JSON in a fixed order, so that equal settings rerun nothing."""
    return json.dumps(value, sort_keys=True)


def run_config(data: VideoDataset, model: str) -> str:
    """All settings of one model: what a released model's card shows."""
    return as_json({stage: data.settings(stage, model) for stage in tree.STAGES})


def report_config(data: VideoDataset) -> str:
    """The settings that the report shows: the data set's entry and every stage's."""
    shared = [stage for stage in tree.STAGES if stage not in tree.MODEL_STAGES]
    # How a released model was trained stands in its card.
    by_model = [s for s in tree.MODEL_STAGES if s != "train" or not data.data["released"]]
    left_out = (*tree.STAGES, "ablation", "sensitivity")
    shown = {
        "dataset": {key: value for key, value in data.data.items() if key not in left_out},
        **{stage: data.settings(stage) for stage in shared},
        "models": {
            model: {stage: data.settings(stage, model) for stage in by_model}
            for model in data.data["models"]
        },
        "notes": data.data["notes"],
    }
    if "published" in data.data:
        shown["published"] = data.data["published"]
    return as_json(shown)


def notes(data: VideoDataset) -> str:
    """The data set's notes and what others follow from."""
    teachers = {"resnet": data.settings("teachers")["resnet"]}
    return as_json({"notes": data.data["notes"], "teachers": teachers})


def published(datasets: Iterable[VideoDataset]) -> str:
    """The published results that data sets name, by data set."""
    named = (data for data in datasets if "published" in data.data)
    return as_json({data.name: data.data["published"] for data in named})


def protocol_plan(data: ImageDataset) -> str:
    """What the page of a protocol shows beside its figures."""
    method, *references = data.data["models"]
    full = {stage: data.settings(stage, method) for stage in ("train", "score")}
    changes = {
        model: {
            f"{stage}.{key}": value
            for stage, values in full.items()
            for key, value in data.settings(stage, model).items()
            if value != values[key]
        }
        for model in references
    }
    shown = {
        "dataset": {key: data.data[key] for key in ("reader", "path", "options")},
        "images": data.settings("images"),
        **({"features": data.settings("features")} if data.pretrained else {}),
        method: full,
        f"different from {method}": changes,
    }
    plan = {"references": references, "pretrained": data.pretrained, "notes": data.data["notes"]}
    return as_json(plan | {"settings": shown})
