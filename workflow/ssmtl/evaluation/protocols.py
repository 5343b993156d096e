"""Protocols of the image system: from the scores of every picture to tables of figures.

- `one_vs_all`: each class in turn is the normal one, all others of the test split are anomalous.
- `out_of_distribution`: the data set is normal, every other data set in turn is anomalous.
- `presentation_attack`: bona fide faces are normal, attacks of every type in turn are anomalous.

A protocol has *cases*, each a set of normal and a set of anomalous test pictures. Every column of
scores of every run is measured in every case; then what holds over all cases is added per seed,
and means and deviations are over seeds.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.datasets.images.presentation_attack import BONA_FIDE
from ssmtl.evaluation.metrics import presentation_attack
from ssmtl.evaluation.metrics.auc import auc
from ssmtl.formats import hdf5, tables
from ssmtl.formats.calibration import read_calibration
from ssmtl.formats.images import read_images
from ssmtl.formats.scores import columns_of, read_scores
from ssmtl.scoring.settings import PLAIN

PROTOCOLS = ("one_vs_all", "out_of_distribution", "presentation_attack")
PIXEL = "pixel"  # the model name of the pixel baselines, which have no seed
HIGHER = "auroc"  # the one figure that is better when it is higher
KEYS = ["level", "case", "model", "column"]  # what a row of the summary is about
RunKey = tuple[str, str, int | None]  # normal class, model and seed


def figures_of(protocol: str) -> tuple[str, ...]:
    """The figures of a protocol, AUROC first."""
    attacks = protocol == "presentation_attack"
    return (HIGHER, *presentation_attack.MEASURES) if attacks else (HIGHER,)


# ---------------------------------------------------------------- scores


@dataclass(frozen=True)
class Run:
    """The scores of one model, or of the pixel baselines, that was fitted on `normal`."""

    normal: str
    model: str
    seed: int | None
    folder: Path
    scores: dict[str, dict[str, dict[str, np.ndarray]]]  # data set -> column -> class -> (N,)

    @property
    def columns(self) -> list[str]:
        """The columns of scores, the combined one first."""
        names = list(next(iter(self.scores.values())))
        return sorted(names, key=lambda name: name != "combined")

    def values(self, column: str, parts: Iterable[tuple[str, str]]) -> np.ndarray:
        """The scores of the pictures of some (data set, class), end to end: (N,)."""
        return np.concatenate([self.scores[source][column][name] for source, name in parts])


def read_run(path: Path, counts: dict[str, dict[str, int]]) -> tuple[RunKey, str, dict]:
    """Normal class, model and seed of a file of scores, its data set, and column -> class -> (N,).

    InputError where the file has other pictures than `counts` says.
    """
    with read_scores(path) as file:
        normal = ", ".join(hdf5.names(file, "normal")) or "all"
        seed = int(file.attrs["seed"]) if "seed" in file.attrs else None
        source = store.attribute(file, "dataset", "")
        if source not in counts:
            raise InputError(
                f"{path}: no images.h5 of data set {source or '(none, it is of video)'} is given "
                f"(there is {', '.join(counts) or 'none'})"
            )
        rows, found = counts[source], {name: len(group["frame"]) for name, group in file.items()}
        if found != rows:
            name = next(name for name in found | rows if found.get(name) != rows.get(name))
            raise InputError(
                f"{path}: {found.get(name, 0)} scores for class {name}, which has "
                f"{rows.get(name, 0)} pictures; score it again"
            )
        columns = [column for column in columns_of(file) if column != "speed"]
        values = {column: {n: g[column][:] for n, g in file.items()} for column in columns}
        return (normal, store.attribute(file, "model"), seed), source, values


def count_pictures(images: list[Path]) -> dict[str, dict[str, int]]:
    """How many pictures each class of each data set has: data set -> class -> count."""
    counts = {}
    for path in images:
        with read_images(path) as file:
            counts[store.attribute(file, "dataset")] = {n: len(g["frame"]) for n, g in file.items()}
    return counts


def read_runs(scores: list[Path], counts: dict[str, dict[str, int]]) -> list[Run]:
    """All runs, in the order given; the other files of a run lie in the folder above its scores."""
    runs: dict[RunKey, Run] = {}
    for path in scores:
        about, source, values = read_run(path, counts)
        run = runs.setdefault(about, Run(*about, path.parent.parent, {}))
        if source in run.scores:
            raise InputError(
                f"{path}: {run.folder} has scores of model {run.model} on {source} too, with the "
                "same seed and normal class; give each once"
            )
        run.scores[source] = values
    return list(runs.values())


def threshold_of(run: Run, column: str) -> float | None:
    """The score of `column` that 5 % of the bona fide pictures held out of training exceed.

    None where a run has no calibration.h5, as the pixel baselines, which hold nothing out.
    """
    path = run.folder / "calibration.h5"
    if run.seed is None or not path.exists():
        return None
    with read_calibration(path) as file:
        quantiles = store.attribute(file, "combined") if column == "combined" else file[column][:]
    levels = np.linspace(0, 1, len(quantiles))
    return float(np.interp(1 - presentation_attack.MOST_BPCER, levels, quantiles))


# ---------------------------------------------------------------- cases


@dataclass(frozen=True)
class Case:
    """What one figure is about: (data set, class) of the normal and the anomalous pictures."""

    name: str
    normal: list[tuple[str, str]]
    anomalous: list[tuple[str, str]]


def cases_of(
    protocol: str, dataset: str, normal: str, counts: dict[str, dict[str, int]]
) -> list[Case]:
    """The cases in which a run is measured that was fitted on `normal` of a data set.

    Raises InputError where there is nothing anomalous, or the normal class has no test picture.
    """
    own = counts.get(dataset, {})
    if protocol == "one_vs_all":
        anomalous = [(dataset, name) for name in own if name != normal]
        cases = [Case(normal, [(dataset, normal)] if normal in own else [], anomalous)]
    elif protocol == "out_of_distribution":
        here = [(dataset, name) for name in own]
        others = {source: names for source, names in counts.items() if source != dataset}
        cases = [Case(s, here, [(s, name) for name in names]) for s, names in others.items()]
    else:
        bona_fide = [(dataset, BONA_FIDE)] if BONA_FIDE in own else []
        attacks = [name for name in own if name != BONA_FIDE]
        cases = [Case(attack, bona_fide, [(dataset, attack)]) for attack in attacks]
    if not cases:
        raise InputError(f"{protocol} of {dataset}: nothing anomalous to tell {normal} from")
    for case in cases:
        for kind in ("normal", "anomalous"):
            if not sum(counts[source][name] for source, name in getattr(case, kind)):
                raise InputError(
                    f"{protocol} of {dataset}, case {case.name}: no {kind} test picture; add some, "
                    "or choose other classes"
                )
    return cases


# ---------------------------------------------------------------- figures


def measure(protocol: str, run: Run, column: str, case: Case) -> dict:
    """The figures of one column of scores in one case, and how many pictures they are of."""
    normal, anomalous = (run.values(column, part) for part in (case.normal, case.anomalous))
    labels = np.repeat([False, True], [len(normal), len(anomalous)])
    found = {HIGHER: auc(labels, np.concatenate([normal, anomalous]))}
    if protocol == "presentation_attack":
        found |= presentation_attack.measures(normal, anomalous, threshold_of(run, column))
    return found | {"normal": len(normal), "anomalous": len(anomalous)}


def pooled(cases: list[Case]) -> Case:
    """All anomalous pictures of some cases against the normal ones that they share."""
    return Case("pooled", cases[0].normal, [part for case in cases for part in case.anomalous])


def run_table(
    protocol: str, dataset: str, runs: list[Run], counts: dict[str, dict[str, int]]
) -> pd.DataFrame:
    """One row per case, run and column of scores: level, case, model, seed, column, figures.

    `level` is `case`, or `all` for what is over all cases of a seed: their `mean`, and for attacks
    `pooled`, all types as one, and `worst`, the worst type by each figure. InputError unless every
    model has every case with the same seeds.
    """
    rows = []
    for run in runs:
        cases = cases_of(protocol, dataset, run.normal, counts)
        wanted = [("case", case) for case in cases]
        if protocol == "presentation_attack":
            wanted.append(("all", pooled(cases)))
        for (level, case), column in ((w, column) for w in wanted for column in run.columns):
            place = {"level": level, "case": case.name, "model": run.model, "seed": run.seed}
            rows.append(place | {"column": column} | measure(protocol, run, column, case))
    counted = dict.fromkeys(("seed", "normal", "anomalous"), "Int64")
    table = pd.DataFrame(rows).astype(dict.fromkeys(figures_of(protocol), float) | counted)
    check_complete(table)
    return pd.concat([table, over_cases(protocol, table)], ignore_index=True)


def check_complete(table: pd.DataFrame) -> None:
    """InputError unless all models, but for the pixel baselines, have the same cases and seeds."""
    found = {
        model: set(zip(part["case"], part["seed"], strict=True))
        for model, part in table.groupby("model", sort=False)
        if model != PIXEL
    }
    everything = set().union(*found.values())
    for model, pairs in found.items():
        if missing := sorted(everything - pairs):
            case, seed = missing[0]
            raise InputError(
                f"model {model} has no scores in case {case} with seed {seed}, others have; "
                "give those of every model, case and seed"
            )
    if PIXEL in set(table["model"]):
        cases = set(table.loc[table["model"] == PIXEL, "case"])
        if missing := sorted({case for case, _ in everything} - cases):
            raise InputError(
                f"the pixel baselines have no scores in case {missing[0]}, the models have; "
                "give those of every case"
            )


def over_cases(protocol: str, table: pd.DataFrame) -> pd.DataFrame:
    """What holds over all cases, per model, seed and column, as rows of level `all`."""
    figures = list(figures_of(protocol))
    groups = table[table["level"] == "case"].groupby(
        ["model", "seed", "column"], sort=False, dropna=False
    )
    if protocol != "presentation_attack":
        found = groups[figures].mean()
        name = "mean"
    else:
        # Each figure's worst type; all figures but the AUROC are errors.
        found = groups[figures].max()
        found[HIGHER] = groups[HIGHER].min()
        name = "worst"
    return found.reset_index().assign(level="all", case=name)


def with_reductions(table: pd.DataFrame, references: list[str]) -> pd.DataFrame:
    """A table of runs with `reduction_{reference}` for the combined score of the first model.

    The share of a reference model's AUROC error that is gone, 1 - (1 - A) / (1 - A_reference),
    from the AUROCs of the same case and seed; NaN for all other rows, and where the reference
    makes no error.
    """
    first = table["model"].iloc[0]
    combined = table[table["column"] == "combined"]
    keys = ["level", "case", "seed"]
    of_model = {m: part.set_index(keys)[HIGHER] for m, part in combined.groupby("model")}
    own = (table["model"] == first) & (table["column"] == "combined")
    index = pd.MultiIndex.from_frame(table.loc[own, keys])
    table = table.copy()
    for reference in references:
        if reference == first or reference not in of_model:
            continue
        error = 1 - of_model[reference].reindex(index).to_numpy()
        gone = (error - (1 - table.loc[own, HIGHER])) / np.where(error > 0, error, np.nan)
        table.loc[own, f"reduction_{reference}"] = gone
    return table


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """One row per level, case, model and column: `{figure}_mean` and `_sd` over the seeds.

    `seeds` is how many there were; the deviation (n - 1) of one is NaN. Cases come first, then
    what is over all of them.
    """
    figures = [n for n in table if n in figures_of("presentation_attack") or "reduction_" in n]
    table = table.sort_values("level", key=lambda level: level == "all", kind="stable")
    groups = table.groupby(KEYS, sort=False)
    summary = groups[["normal", "anomalous"]].first()
    summary.insert(0, "seeds", groups.size())
    for figure in figures:
        summary[f"{figure}_mean"] = groups[figure].mean()
        summary[f"{figure}_sd"] = groups[figure].std()
    return summary.reset_index()


# ---------------------------------------------------------------- text

LABELS = {
    "auroc": "AUROC",
    "eer": "EER",
    "apcer_at_bpcer5": "APCER at 5 % BPCER",
    "apcer": "APCER",
    "bpcer": "BPCER",
    "acer": "ACER",
}
SHOWN = ("auroc", "eer", "apcer_at_bpcer5", "acer")  # those that get a table
SCORES = {"pca": "PCA of pixels", "nearest": "nearest picture"}
OVERALL = {  # the case whose figures stand for the whole
    "one_vs_all": "mean",
    "out_of_distribution": "mean",
    "presentation_attack": "pooled",
}
STAR = "*"  # of scores that use a network which knows other pictures


def compared(summary: pd.DataFrame) -> list[tuple[str, str]]:
    """The (model, column) set side by side: each model's combined score, the other plain fusion of
    the same tasks where it has one, the pixel baselines."""
    pairs = summary[["model", "column"]].drop_duplicates()
    chosen = pairs[pairs["column"].isin(["combined", *PLAIN]) | (pairs["model"] == PIXEL)]
    return list(chosen.itertuples(index=False, name=None))


def score_name(model: str, column: str) -> str:
    """A score as a reader sees it."""
    if model == PIXEL:
        return SCORES.get(column, column)
    return model.replace("_", " ") + (f", {column}" if column in PLAIN else "")


def score_names(summary: pd.DataFrame) -> list[str]:
    """The names of the compared scores, those that use a pretrained network with a star."""
    known = set(pretrained_networks(summary))
    return [score_name(m, c) + (STAR if m in known else "") for m, c in compared(summary)]


def pretrained_networks(summary: pd.DataFrame) -> dict[str, str]:
    """The network that each model uses which was trained on other pictures, by model."""
    if "pretrained" not in summary:
        return {}
    pairs = summary[["model", "pretrained"]].drop_duplicates().fillna("")
    return {model: name for model, name in pairs.itertuples(index=False, name=None) if name}


def with_pretrained(summary: pd.DataFrame, networks: dict[str, str]) -> pd.DataFrame:
    """A summary with the column `pretrained`, "" for models that learn from its pictures alone."""
    summary = summary.copy()
    named = [networks.get(model, "") for model in summary["model"]]
    summary.insert(len(KEYS), "pretrained", named)
    return summary


def winners_text(summary: pd.DataFrame, case: str) -> str:
    """Who has the highest AUROC in a case, and who of those without a pretrained network."""
    over = summary[(summary["level"] == "all") & (summary["case"] == case)]
    over = over.set_index(["model", "column"])
    known, pairs = pretrained_networks(summary), compared(summary)
    names = dict(zip(pairs, score_names(summary), strict=True))

    def best(among: list[tuple[str, str]]) -> tuple[str, str]:
        return max(among, key=lambda pair: over.loc[pair, f"{HIGHER}_mean"])

    def said(pair: tuple[str, str]) -> str:
        return f"{names[pair]} ({cell(over.loc[pair], HIGHER)} %)"

    first = best(pairs)
    text = f"{said(first)} has the highest AUROC"
    if first[0] in known and (own := [pair for pair in pairs if pair[0] not in known]):
        text += f"; of what learns from the normal pictures alone, {said(best(own))}"
    return text


def cell(row: pd.Series, figure: str) -> str:
    """A figure of a summary's row in per cent, with its deviation where there are several seeds."""
    mean, deviation = row[f"{figure}_mean"], row[f"{figure}_sd"]
    if pd.isna(mean):
        return "\u2013"
    return f"{100 * mean:.1f}" + ("" if pd.isna(deviation) else f" ± {100 * deviation:.1f}")


def reduced_references(summary: pd.DataFrame) -> list[str]:
    """The references whose error reductions a summary has: `reduction_{reference}_mean`."""
    found = (re.fullmatch(r"reduction_(.+)_mean", str(column)) for column in summary)
    return [match[1] for match in found if match]


def reductions_text(summary: pd.DataFrame) -> list[str]:
    """A sentence for each reference, of the mean over cases, or of all attacks pooled."""
    over = summary[summary["case"].isin(["mean", "pooled"]) & (summary["level"] == "all")]
    row = over[over["column"] == "combined"].iloc[0]
    sentences = []
    for reference in reduced_references(summary):
        reduction = row[f"reduction_{reference}_mean"]
        if pd.isna(reduction):
            sentences.append(f"{score_name(reference, '')} makes no AUROC error to reduce")
            continue
        text = cell(row, f"reduction_{reference}").lstrip("-")
        less = "less" if reduction >= 0 else "more"
        sentences.append(f"{text} % {less} AUROC error than {score_name(reference, 'combined')}")
    return sentences


def read_summary(path: Path) -> pd.DataFrame:
    """The summary in a CSV of `ssmtl protocol`; InputError where it is another file."""
    text = (*KEYS, "protocol", "dataset")
    cells = tables.read_cells(path)
    missing = {*text, "auroc_mean", "seeds"} - set(cells)
    text = (*text, *(["pretrained"] if "pretrained" in cells else []))
    if missing or cells.empty:
        raise InputError(
            f"{path}: no {'column ' + ', '.join(sorted(missing)) if missing else 'rows'}; give the "
            "CSV of a protocol, not that of its runs"
        )
    return tables.read_csv(path, text, integers=("seeds",))


def several(number: int, thing: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number} {thing}{'s' if number != 1 else ''}"


def summary_text(summary: pd.DataFrame) -> str:
    """The tables of a summary as text for a terminal: cases down, scores across, per cent."""
    scores = compared(summary)
    figures = [f for f in SHOWN if f"{f}_mean" in summary]
    about = summary.iloc[0]
    cases = summary.loc[summary["level"] == "case", "case"].nunique()
    counted = f"{several(cases, 'case')}, {several(about['seeds'], 'seed')}"
    lines = [f"{about['dataset']}, {about['protocol']}: {counted}", ""]
    for figure in figures:
        head = [f"{LABELS[figure]}, %", *score_names(summary)]
        rows = [head]
        for (_, case), part in summary.groupby(["level", "case"], sort=False):
            by_score = {(row["model"], row["column"]): row for _, row in part.iterrows()}
            rows.append([case, *(cell(by_score[score], figure) for score in scores)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += [
            row[0].ljust(widths[0])
            + "".join(f"  {text:>{w}}" for text, w in zip(row[1:], widths[1:], strict=True))
            for row in rows
        ] + [""]
    first = score_name(*scores[0])
    lines += [f"{first}: {sentence}" for sentence in reductions_text(summary)]
    lines.append(winners_text(summary, OVERALL[about["protocol"]]))
    lines += [
        f"{STAR} {score_name(model, '')} uses {name}, trained on other pictures"
        for model, name in pretrained_networks(summary).items()
    ]
    return "\n".join(lines).rstrip()
