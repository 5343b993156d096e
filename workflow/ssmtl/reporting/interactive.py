"""Figures of pages, made with Plotly: data in, Plotly's own JSON out as a dict.

Colours of text, axes and the combined score are the page's, light or dark, and so are set there:
a trace with `meta["ink"]` takes the colour of the text. `meta["column"]` and `meta["curve"]`, raw
or smoothed, let the page hide curves.
"""

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ssmtl.formats.frame_scores import intervals
from ssmtl.reporting import series

BINS = 40
MARGIN = {"l": 40, "r": 8, "t": 20, "b": 36}
FONT = {"family": "system-ui, sans-serif", "size": 11}


def as_dict(traces: list[go.Scatter], height: int, **layout) -> dict:
    """A figure as its JSON holds it, arrays as base64."""
    figure = go.Figure(traces)
    figure.update_layout(
        # Without Plotly's template, whose colours are for light pages only.
        template=go.layout.Template(),
        height=height,
        margin=MARGIN,
        font=FONT,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        **layout,
    )
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)
    return json.loads(figure.to_json())


def line(column: str, x, y, width: float = 1.3, dash: str | None = None, **more) -> go.Scatter:
    """A curve in the colour of a column of scores."""
    meta = {"column": column, "ink": column == "combined", **more.pop("meta", {})}
    return go.Scatter(
        x=np.asarray(x),
        y=np.asarray(y, np.float32),
        name=series.title(column),
        mode="lines",
        line={"color": series.colour(column), "width": width, "dash": dash},
        meta=meta,
        **more,
    )


def score_lines(
    frames: pd.DataFrame, tasks: list[str], peaks: dict[str, float]
) -> list[go.Scatter]:
    """The curves of a timeline, raw and smoothed; of tasks over their peaks, on an axis below."""
    x, traces = frames["frame"].to_numpy(np.int32), []
    for curve, suffix in (("raw", ""), ("smoothed", "_smoothed")):
        for column in ("combined", *tasks):
            scores = frames[f"{column}{suffix}"].to_numpy(np.float32)
            combined = column == "combined"
            traces.append(
                line(
                    column,
                    x,
                    scores if combined else scores / peaks[column],
                    width=2 if combined else 1.2,
                    yaxis="y" if combined else "y2",
                    customdata=scores,
                    hovertemplate="%{customdata:.3f}",
                    meta={"curve": curve},
                )
            )
    return traces


def truth_marks(frames: pd.DataFrame) -> tuple[list[dict], list[dict]]:
    """Shapes that shade the labelled anomalies of a clip, and notes that name their kinds."""
    shapes, notes = [], []
    for first, last, kind in intervals(frames):
        place = {"x0": first - 0.5, "x1": last + 0.5, "y0": 0, "y1": 1, "yref": "paper"}
        shade = {"fillcolor": series.TRUTH, "opacity": 0.15, "line": {"width": 0}, "layer": "below"}
        shapes.append({"type": "rect", **place, **shade})
        above = {"x": (first + last) / 2, "y": 1, "yref": "paper", "yanchor": "bottom"}
        # Plotly reads tags in text, and the names of kinds are plain.
        text = kind.replace("&", "&amp;").replace("<", "&lt;")
        font = {"color": series.TRUTH}
        notes.append({"text": text, **above, "showarrow": False, "font": font})
    return shapes, notes


def timeline(
    frames: pd.DataFrame, tasks: list[str], top: float, peaks: dict[str, float], level: float
) -> dict:
    """The frame scores of one clip: combined above, tasks below, ground truth shaded.

    frames: the clip's rows of frame_scores.csv; top: the end of the axis of the combined score;
    peaks: by what each task is divided, since the tasks' scales differ widely; level: the score
    at which events begin, a dotted line. The last shape is the cursor of the page.
    """
    x = frames["frame"].to_numpy(np.int32)
    shapes, notes = truth_marks(frames)
    dotted = {"color": series.TRUTH, "width": 1, "dash": "dot"}
    across = {"x0": 0, "x1": 1, "xref": "paper", "y0": level, "y1": level}
    shapes.append({"type": "line", **across, "line": dotted})
    cursor = {"type": "line", "x0": x[0], "x1": x[0], "y0": 0, "y1": 1, "yref": "paper"}
    shapes.append({**cursor, "line": {"width": 1.5}})
    return as_dict(
        score_lines(frames, tasks, peaks),
        height=270,
        shapes=shapes,
        annotations=notes,
        hovermode="x unified",
        hoversubplots="axis",
        xaxis={
            "range": [int(x[0]) - 0.5, int(x[-1]) + 0.5],
            "title": {"text": "frame", "standoff": 4},
            "hoverformat": "d",
            "anchor": "y2",
        },
        yaxis={"range": [0, top], "domain": [0.45, 1], "fixedrange": True, "nticks": 4},
        yaxis2={
            "range": [0, 1.05],
            "domain": [0, 0.37],
            "fixedrange": True,
            "showticklabels": False,
            "title": {"text": "tasks"},
        },
    )


def roc(frames: pd.DataFrame, columns: list[str], auc: dict[str, float | None]) -> dict | None:
    """ROC of every column's smoothed frame scores over all labelled frames, with its micro AUC.

    None where the labels do not hold both classes.
    """
    curves = series.roc_curves(frames, columns, auc)
    if not curves:
        return None
    diagonal = {"color": "#8b8f98", "width": 1, "dash": "dot"}
    traces = [go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=diagonal, hoverinfo="skip")]
    traces[0].showlegend = False
    for column, roc_ in curves.items():
        curve = line(
            column,
            roc_.false_rate.astype(np.float32),
            roc_.true_rate,
            width=2.5 if column == "combined" else 1.4,
            dash="dash" if column == "speed" else None,
            # Before the first frame counts, the threshold is infinite.
            customdata=np.minimum(roc_.threshold, 1).astype(np.float32),
            hovertemplate="%{y:.2f} of the anomalous, %{x:.2f} of the normal frames"
            " score at least %{customdata:.3f}",
        )
        curve.name = roc_.name
        traces.append(curve)
    figure = as_dict(
        traces,
        height=400,
        xaxis={"range": [-0.01, 1.01], "title": {"text": "false-positive rate"}},
        yaxis={"range": [-0.01, 1.02], "title": {"text": "true-positive rate"}},
    )
    legend = {"x": 1, "y": 0.02, "xanchor": "right", "yanchor": "bottom"}
    figure["layout"] |= {"showlegend": True, "legend": legend | {"bgcolor": "rgba(0,0,0,0)"}}
    return figure


def distribution(frames: pd.DataFrame, column: str) -> dict:
    """The smoothed frame scores of a column as shares: normal and anomalous frames apart.

    Without labels all frames are one group.
    """
    groups = {"all frames": (frames["label"].isna(), series.colour(column))}
    groups["normal"] = (frames["label"] == 0, series.colour(column))
    groups["anomalous"] = (frames["label"] == 1, series.TRUTH)
    scores = frames[f"{column}_smoothed"]
    edges = np.linspace(0, series.axis_top(scores.to_numpy()), BINS + 1)
    traces = []
    for name, (rows, colour) in groups.items():
        if not rows.any():
            continue
        share = np.histogram(scores[rows], edges)[0] / rows.sum()
        traces.append(
            go.Scatter(
                x=((edges[:-1] + edges[1:]) / 2).astype(np.float32),
                y=share.astype(np.float32),
                name=name,
                mode="lines",
                line={"shape": "hvh", "width": 1.3, "color": colour},
                fill="tozeroy",
                meta={"ink": column == "combined" and name != "anomalous"},
                hovertemplate="%{y:.1%} at %{x:.3f}",
            )
        )
    return as_dict(
        traces,
        height=190,
        xaxis={"range": [0, edges[-1]], "nticks": 5},
        yaxis={"rangemode": "tozero", "tickformat": ".0%", "nticks": 4, "fixedrange": True},
    )


def losses(history: pd.DataFrame) -> dict[str, dict]:
    """Per loss (total first), its course in training and validation, the best step dotted.

    history: as of history.csv. Empty where nothing was logged.
    """
    best, figures = series.best_step(history), {}
    for task, courses in series.losses(history).items() if len(history) else ():
        column = "combined" if task == "total" else task
        traces = []
        for split, opacity in (("train", 0.45), ("validation", 1)):
            course = courses[split]
            curve = line(column, course.index.to_numpy(np.int32), course, opacity=opacity)
            curve.name = split
            if len(course) < BINS:
                curve.mode = "lines+markers"
                curve.marker.size = 5
            traces.append(curve)
        dotted = {"color": series.TRUTH, "width": 1, "dash": "dot"}
        at_best = {"type": "line", "x0": best, "x1": best, "y0": 0, "y1": 1, "yref": "paper"}
        figures[task] = as_dict(
            traces,
            height=190,
            shapes=[{**at_best, "line": dotted}] if best is not None else [],
            hovermode="x unified",
            xaxis={"nticks": 5},
            yaxis={"nticks": 4, "fixedrange": True},
        )
    return figures
