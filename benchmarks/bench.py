"""Throughput, peak memory and share of the machine's limit of every stage: `make bench`.

    python benchmarks/bench.py                    # all stages, on the CPU and, if any, the GPU
    python benchmarks/bench.py --stages frames,cubes --device cpu --scale 0.2

A stage's benchmark is a file of `benchmarks/stages/` with

    UNIT = "frames"                       # what is counted
    DEVICES = ("cpu", "cuda")             # where it can run
    def prepare(folder, scale): ...       # writes the input, of `scale` times the stated size
    CASES = [Case(...), ...]              # measure.py

Input is made anew and the same every time. Each case runs in a process of its own, so that its
peak memory is its own.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
STAGES = (  # the order of the table
    "frames", "detect", "cubes", "teachers", "features", "train", "encoders", "score",
    "from_frames", "end_to_end",
)  # fmt: skip
ONCE = {"check": "agreement", "profile": "profile"}  # kinds that are not timed, and their keys


def stage_module(name: str):
    """The benchmark of a stage, `stages/{name}.py`."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", HERE / "stages" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stage_names() -> list[str]:
    found = {path.stem for path in (HERE / "stages").glob("*.py")}
    return [name for name in STAGES if name in found] + sorted(found - set(STAGES))


def child(device: str, *arguments) -> dict | list:
    """What this script prints, as JSON on its last line, in a process that sees one device."""
    settings = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"bench: failed: {' '.join(map(str, arguments))}")
    return json.loads(done.stdout.splitlines()[-1])


# --- In the child -----------------------------------------------------------------------------


def answer(arguments: argparse.Namespace) -> dict | list:
    """What a child is asked for: `about` a stage, `machine`, `prepare`, or a case by its number."""
    import measure

    if arguments.ask == "machine":
        return measure.machine()
    stage = stage_module(arguments.stage)
    if arguments.ask == "about":
        cases = [[case.kind, case.about, case.what] for case in stage.CASES]
        return {"unit": stage.UNIT, "devices": stage.DEVICES, "cases": cases}
    if arguments.ask == "prepare":
        stage.prepare(arguments.folder, arguments.scale)
        return {}
    case = stage.CASES[int(arguments.ask)]
    found = case.run(arguments.folder)
    if case.kind in ONCE:
        return found
    items, seconds = found
    return {
        "items": items,
        "seconds": round(seconds, 4),
        "rate": round(items / seconds, 2),
        "peak_mb": round(measure.peak_memory() / 1e6),
        "cuda_peak_mb": round(measure.peak_cuda() / 1e6),
    }


# --- In the parent ----------------------------------------------------------------------------


def measured(stage: str, about: dict, device: str, scale: float, rounds: int) -> list[dict]:
    """The rows of a stage: one per case of kind `ours`, with its limit, rivals and checks.

    The best of several rounds, each of which runs every case: a machine that is slower for a while
    is so for all of them.
    """
    cases = [dict(zip(("kind", "about", "what"), case, strict=True)) for case in about["cases"]]
    with tempfile.TemporaryDirectory(prefix=f"bench-{stage}-") as folder:
        where = ("--stage", stage, "--folder", folder)
        child(device, "--ask", "prepare", *where, "--scale", scale)
        for turn in range(rounds):
            for number, case in enumerate(cases):
                if case["kind"] in ONCE and turn:
                    continue
                say(f"{stage} on {device}: {case['what']}")
                found = child(device, "--ask", number, *where)
                say("  " + ", ".join(f"{key} {value}" for key, value in found.items()))
                if case["kind"] in ONCE or found["rate"] >= case.get("found", found)["rate"]:
                    case["found"] = found
    rows: dict[str, dict] = {}
    for case in cases:
        found, of = case["found"], case["about"]
        if case["kind"] == "ours":
            head = {"stage": stage, "device": device, "what": case["what"], "unit": about["unit"]}
            rows[of] = head | found
        elif case["kind"] in ONCE:
            rows[of][ONCE[case["kind"]]] = found
        elif case["kind"] == "limit":
            rows[of]["limit"] = {"what": case["what"], **found}
            rows[of]["share_of_limit"] = round(rows[of]["rate"] / found["rate"], 3)
        else:
            slower = {"times_slower": round(rows[of]["rate"] / found["rate"], 3)}
            rows[of].setdefault("rivals", []).append({"what": case["what"], **found, **slower})
    return list(rows.values())


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def times(factor: float) -> str:
    """With the digits that tell faster from slower."""
    return f"{factor:.2f}" if factor < 2 else f"{factor:.1f}"


COLUMNS = "| stage | device | what | per second | peak memory | share of limit | against |"


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table."""
    lines = [COLUMNS, "|" + "---|" * (COLUMNS.count("|") - 1)]
    for row in rows:
        memory = f"{row['peak_mb']} MB"
        if row["device"] == "cuda":
            memory += f", GPU {row['cuda_peak_mb']} MB"
        share = ""
        if "limit" in row:
            share = f"{row['share_of_limit']:.2f} of {row['limit']['what']}"
        against = "; ".join(
            f"{times(r['times_slower'])} x {r['what']}" for r in row.get("rivals", [])
        )
        cells = (row["stage"], row["device"], row["what"], f"{row['rate']:.0f} {row['unit']}")
        lines.append(f"| {' | '.join((*cells, memory, share, against))} |")
    for row in rows:
        for name, found in ((key, row[key]) for key in ONCE.values() if key in row):
            shares = ", ".join(f"{key} {value}" for key, value in found.items())
            lines.append(f"{name} of {row['stage']}, {row['device']}, {row['what']}: {shares}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stages", default=",".join(stage_names()), help="comma-separated")
    parser.add_argument("--device", choices=["cpu", "cuda", "all"], default="all")
    parser.add_argument("--scale", type=float, default=1, help="times the stated size of the input")
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many counts")
    parser.add_argument("--output", type=Path, default=Path("results/bench.json"))
    for internal in ("--ask", "--stage"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        print(json.dumps(answer(arguments)))
        return
    about = child("all", "--ask", "machine")
    say("machine: " + ", ".join(f"{key} {value}" for key, value in about.items() if value))
    say(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    present = ("cpu", "cuda") if about["gpu"] else ("cpu",)
    if arguments.device != "all":
        present = (arguments.device,)
    start, rows = time.monotonic(), []
    for stage in arguments.stages.split(","):
        card = child("cpu", "--ask", "about", "--stage", stage)
        for device in present:
            if device in card["devices"]:
                rows += measured(stage, card, device, arguments.scale, arguments.rounds)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")
    print(table(rows))
    say(f"{time.monotonic() - start:.0f} s; {arguments.output}")


if __name__ == "__main__":
    main()
