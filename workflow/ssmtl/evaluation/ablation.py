"""What each part of a model adds: the metrics of its variants beside those of the full set.

Every variant is a model of its own, trained, scored and evaluated like any other; here their
figures are only gathered. The rows to compare come from `config.ablation`.
"""

from pathlib import Path

import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.evaluation.metrics.names import OF_FRAMES, OF_REGIONS
from ssmtl.formats.card import read_card
from ssmtl.formats.metrics import read_metrics

OTHER_METRICS = (*OF_REGIONS, "pixel_auc")  # where a data set has what they need
METRICS = (*OF_FRAMES, *OTHER_METRICS)


def measured(metrics: dict) -> dict[str, float | None]:
    """The figures of the combined score in a metrics.json.

    Frame metrics at the configured border, then those of regions and pixels, None where they were
    not measured, then the frame metrics as `{metric}_{border}` for every border rule.
    """
    borders = {border: columns["combined"] for border, columns in metrics["scores"].items()}
    regions = metrics.get("regions", {}).get("combined", {})
    return {
        **{name: borders[metrics["border"]][name] for name in OF_FRAMES},
        **{name: regions.get(name) for name in OF_REGIONS},
        "pixel_auc": metrics.get("pixel_auc", {}).get("combined"),
        **{f"{name}_{b}": values[name] for b, values in borders.items() for name in OF_FRAMES},
    }


def read_runs(metrics: list[Path], cards: list[Path]) -> dict[str, list[dict]]:
    """The rows of all runs by model name, in the order given: seed, border, figures, cost.

    metrics: one metrics.json a run; cards: in the same order, the model.json of the trained model
    that the run scored with. Raises InputError for a run without labels.
    """
    runs: dict[str, list[dict]] = {}
    if len(metrics) != len(cards):
        raise InputError(
            f"ablation: {len(metrics)} files of metrics and {len(cards)} cards; give one of each "
            "for every run, in the same order"
        )
    for path, card_path in zip(metrics, cards, strict=True):
        found, card = read_metrics(path), read_card(card_path)
        if not found["labelled"]:
            raise InputError(f"{path}: no labels, so there is nothing to compare variants by")
        runs.setdefault(found["model"], []).append(
            {
                "seed": found["seed"],
                "border": found["border"],
                **measured(found),
                "cubes_seen": card["train"]["cubes_seen"],
                "parameters": card["train"]["parameters"],
            }
        )
    return runs


def run_table(rows: list[dict], runs: dict[str, list[dict]]) -> pd.DataFrame:
    """One row per variant and seed. InputError unless every variant has the same seeds."""
    expected = [run["seed"] for run in runs.get(rows[0]["model"], [])]
    table = []
    for row in rows:
        of_row = runs.get(row["model"], [])
        if not expected or [run["seed"] for run in of_row] != expected:
            raise InputError(
                f"ablation: model {row['model']} has the seeds {[r['seed'] for r in of_row]}, "
                f"the full set has {expected}; give one metrics.json per variant and seed"
            )
        table += [{key: row[key] for key in ("variant", "group", "model")} | run for run in of_row]
    return pd.DataFrame(table).astype(dict.fromkeys(METRICS, float))


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per variant: mean, standard deviation (n - 1) and difference to the full set.

    Seeds are paired, so the difference of the means is the mean difference.
    """
    groups = runs.groupby("variant", sort=False)
    table = groups[["group", "model", "border", "cubes_seen", "parameters"]].first()
    table.insert(2, "seeds", groups.size())
    for metric in METRICS:
        table[f"{metric}_mean"] = groups[metric].mean()
        table[f"{metric}_sd"] = groups[metric].std()
        table[f"{metric}_difference"] = table[f"{metric}_mean"] - table[f"{metric}_mean"].iloc[0]
    return table.reset_index()


def tasks_within(metrics: list[Path], model: str) -> pd.DataFrame:
    """The columns of scores within one model: column, seed and frame metrics, a row per run."""
    rows = []
    for found in map(read_metrics, metrics):
        if found["model"] == model:
            for column, values in found["scores"][found["border"]].items():
                rows.append({"column": column, "seed": found["seed"]} | values)
    return pd.DataFrame(rows)
