"""Broken inputs by the thousand: `make fuzz`, or `python tests/fuzz/fuzz.py --seconds 600`.

A target reads one kind of file. Its corpus is made on the spot; each input is one of it, spoilt by
a seeded mutation. Right is an InputError of one line, or a result: that of the whole file where
the file vouches for itself by digests, any plausible one otherwise. A traceback, a hang of more
than 60 seconds, a signal and a silent change are failures, and are kept in a folder.

Every target runs in a process of its own, so that a crash is counted and the next input goes on.
To add one, add a function that makes a `Target` to `targets.TARGETS`.
"""

import argparse
import json
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "workflow")]

import targets  # noqa: E402

from ssmtl.cli.ending import line_of  # noqa: E402

HANG = 60  # seconds
RIGHT = ("refused", "accepted")
NUMBERS = (b"-1", b"0", b"1e24", b"NaN", b"inf", b"1_0", b"1e309", b"9" * 40, b"0x10", b"")
WORDS = (b"NA", b"null", b"True", b"../x", b"\xff\xfe", b"\x00", b"=1+1", b'"', b"[" * 2000)


@dataclass
class Outcome:
    """What came of an input: refused, accepted, or a kind of failure, and what was said."""

    kind: str
    words: str = ""


def mutated(data: bytes, rng: np.random.Generator, text: bool) -> bytes:
    """One seeded change of some bytes; of text, half of the time of one of its values."""
    if not data:
        return b"\0"
    ways = [flipped, cut, doubled, overwritten, removed] + [reworded] * 5 * text
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = ways[rng.integers(len(ways))](data, rng)
    return data


def place_of(data: bytes, rng: np.random.Generator) -> int:
    """A place in the data; often near its beginning, where the structure is."""
    limit = len(data) if rng.random() < 0.6 else min(len(data), 512)
    return int(rng.integers(limit)) if limit else 0


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    at = place_of(data, rng)
    return data[:at] + bytes([data[at] ^ (1 << rng.integers(8))]) + data[at + 1 :] if data else data


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: place_of(data, rng)]


def doubled(data: bytes, rng: np.random.Generator) -> bytes:
    first, last = sorted((place_of(data, rng), place_of(data, rng)))
    return data[:last] + data[first:last] + data[last:]


def removed(data: bytes, rng: np.random.Generator) -> bytes:
    at = place_of(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 64)) :]


def overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    at, size = place_of(data, rng), int(rng.integers(1, 16))
    value = rng.choice(np.frombuffer(b"\x00\xff\x7f\x80", np.uint8))
    return data[:at] + bytes([value]) * size + data[at + size :]


def reworded(data: bytes, rng: np.random.Generator) -> bytes:
    """Another number or word in place of one between separators."""
    marks = [i for i, byte in enumerate(data) if byte in b",\n:;= []{}"]
    if len(marks) < 2:
        return data
    which = int(rng.integers(len(marks) - 1))
    words = NUMBERS if rng.random() < 0.6 else WORDS
    word = words[rng.integers(len(words))]
    return data[: marks[which] + 1] + word + data[marks[which + 1] :]


def outcome(target: "targets.Target", path: Path, expected: object) -> Outcome:
    """Reads an input, and judges what happens."""
    try:
        found = target.read(path)
    except Exception as error:
        line = line_of(error)
        if line is None:
            return Outcome("traceback", repr(error)[:300])
        return Outcome("refused" if "\n" not in line and len(line) < 1000 else "long line", line)
    if target.vouched and found != expected:
        return Outcome("silent change")
    if problem := target.implausible(found):
        return Outcome("silent change", problem)
    return Outcome("accepted")


def work(name: str, seed: int, until: float, folder: Path, kept: Path, results) -> None:
    """Runs one target until a time; tells the number of every input before it is read."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    warnings.simplefilter("error", RuntimeWarning)  # such as of a value that no longer fits
    target = targets.TARGETS[name](folder / name)
    data, number = target.path.read_bytes(), seed
    expected = target.read(target.path)
    spoilt = folder / name / ("spoilt" + target.path.suffix)
    while time.monotonic() < until:
        rng = np.random.default_rng([number, *name.encode()])
        changed = target.tamper(data, rng, spoilt) if target.tamper else None
        if changed is None:
            spoilt.write_bytes(mutated(data, rng, target.text))
        results.put((number, None))
        signal.alarm(HANG)
        found = outcome(target, spoilt, expected)
        signal.alarm(0)
        if found.kind not in RIGHT:
            shutil.copyfile(spoilt, kept / f"{name}-{number}{spoilt.suffix}")
        results.put((number, found))
        number += 1


def run(name: str, until: float, folder: Path, kept: Path) -> tuple[Counter, list[str]]:
    """One target in processes of its own, begun anew behind an input that ends one."""
    counts, failures, number = Counter(), [], 0
    while time.monotonic() < until:
        results = multiprocessing.SimpleQueue()
        process = multiprocessing.Process(
            target=work, args=(name, number, until, folder, kept, results)
        )
        process.start()
        begun = None
        while process.is_alive() or not results.empty():
            if results.empty():
                time.sleep(0.01)
                continue
            number, found = results.get()
            if found is None:
                begun = number
                continue
            begun = None
            note(name, number, found, counts, failures)
        process.join()
        if begun is not None:
            kind = "hang" if process.exitcode == -signal.SIGALRM else "signal"
            ended = Outcome(kind, f"exit status {process.exitcode}")
            note(name, begun, ended, counts, failures)
            for path in (folder / name).glob("spoilt*"):
                shutil.copyfile(path, kept / f"{name}-{begun}{path.suffix}")
        number += 1
        if begun is None and process.exitcode:
            raise RuntimeError(f"{name}: the target itself fails (status {process.exitcode})")
    return counts, failures


def note(name: str, number: int, found: Outcome, counts: Counter, failures: list[str]) -> None:
    """Counts an outcome."""
    counts[found.kind] += 1
    if found.kind not in RIGHT:
        failures.append(f"{name} {number}: {found.kind} {found.words}"[:400])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120, help="time for all targets together")
    parser.add_argument("--targets", nargs="*", default=[], help="some of them only")
    parser.add_argument("--kept", type=Path, default=Path("fuzz-failures"), help="failing inputs")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    names = arguments.targets or list(targets.TARGETS)
    arguments.kept.mkdir(parents=True, exist_ok=True)
    total, failures, figures = Counter(), [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            until = time.monotonic() + arguments.seconds / len(names)
            counts, failed = run(name, until, Path(folder), arguments.kept)
            total += counts
            failures += failed
            figures[name] = dict(counts)
            shown = "".join(f"{counts[kind]:>8} {kind}" for kind in sorted(counts))
            print(f"{name:<16}{shown}", flush=True)
    shown = ", ".join(f"{count} {kind}" for kind, count in sorted(total.items()))
    print(f"{sum(total.values())} inputs: {shown}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"targets": figures, "failures": failures}) + "\n")
    for failure in failures[:50]:
        print(failure)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
