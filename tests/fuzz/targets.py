"""What is fuzzed: a whole file of each kind, how it is read, and what a result may be."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import made_files
import numpy as np

from ssmtl.core import store
from ssmtl.datasets import labels
from ssmtl.datasets.clips import Clip
from ssmtl.datasets.ground_truth import read_masks, read_tracks
from ssmtl.detection import darknet, imported
from ssmtl.formats import hdf5, watcher
from ssmtl.formats.card import read_card
from ssmtl.formats.frame_scores import read_frame_scores
from ssmtl.formats.history import read_history
from ssmtl.formats.manifest import COLUMNS, read_manifest
from ssmtl.formats.metrics import read_metrics
from ssmtl.media import polygons

FRAMES = 12
CLIP = "01"


@dataclass
class Target:
    """path: the whole file. read: what a program makes of a file. text: whether words are swapped.

    vouched: whether digests make any other result than that of the whole file a silent change.
    tamper: writes a change of its own to a path, or returns None where it makes none.
    implausible: what is wrong with a result, "" where nothing is.
    """

    path: Path
    read: Callable[[Path], object]
    text: bool = False
    vouched: bool = False
    tamper: Callable | None = None
    implausible: Callable[[object], str] = lambda found: ""


def everything(path: Path, layout: hdf5.Layout) -> dict:
    """All that a reader gets from an HDF5 file."""
    with hdf5.read(path, layout) as file:
        found = {name: str(store.attribute(file, name)) for name in layout.about}
        for group in file.values() if layout.groups else [file]:
            found |= {
                f"{group.name} {n}": str(store.attribute(group, n)) for n in layout.attributes
            }
            for name, dataset in group.items():
                found[f"{group.name}/{name}"] = hdf5.rows(dataset, slice(None)).tolist()
    return found


def retouched(data: bytes, rng: np.random.Generator, path: Path) -> bool | None:
    """One value of an HDF5 file changed by the library, as a program would that means well."""
    if rng.random() < 0.7:
        return None
    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda n, d: names.append(n) if isinstance(d, h5py.Dataset) else None)
        # Of pictures a value that the library writes has the right checksum, and is as good as any.
        names = [n for n in names if n.rpartition("/")[2] not in ("bytes", "cubes")]
        name = names[rng.integers(len(names))]
        group, dataset = file[name].parent, file[name]
        way = rng.integers(4)
        if way == 0:
            del group[name.rpartition("/")[2]]
        elif way == 1:
            group[f"more{rng.integers(9)}"] = np.zeros(3)
        elif way == 2 and dataset.dtype.kind in "iuf":
            values = dataset[()]
            flat = values.reshape(-1)
            at = rng.integers(len(flat))
            if dataset.dtype.kind == "f":
                odd = (np.nan, np.inf, -1, 1e30, 0.123)
            else:
                most = np.iinfo(dataset.dtype).max
                odd = (0, 1, 255, most) if dataset.dtype.kind == "u" else (-1, most, 0, 100)
            change = odd[rng.integers(len(odd))]
            if flat[at] == change:
                return None
            flat[at] = change
            dataset[()] = values
        else:
            dtype = ("f8", "i4", "u1")[rng.integers(3)]
            del group[name.rpartition("/")[2]]
            group[name.rpartition("/")[2]] = np.ones(rng.integers(1, 9), dtype)
    return True


def hdf5_targets() -> dict[str, Callable[[Path], Target]]:
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (FRAMES, 3, 8, 8, 3), np.uint8)
    rows = {"frame": np.arange(FRAMES), "box": made_files.boxes(FRAMES)}
    rows["combined"] = np.linspace(0, 1, FRAMES, dtype=np.float32)
    levels = np.linspace(0, 1, 11)
    settings = {"size": 8, "radius": 1, "max_gap": 1}

    def cubes(path: Path) -> None:
        clips = {CLIP: {"cubes": crops, "logits": np.ones((FRAMES, 1000), np.float32)}}
        other = "teachers" if path.stem == "cubes" else "cubes"
        pair = [path, path.with_name(f"{other}.h5")]
        made_files.write_cubes(*(pair if path.stem == "cubes" else pair[::-1]), clips, settings)

    images = [bytes(50) for _ in range(FRAMES)]
    makers = {
        "frames": lambda p: made_files.write_frames(p, {CLIP: images}),
        "detections": lambda p: made_files.write_detections(p, {CLIP: FRAMES}),
        "cubes": cubes,
        "teachers": cubes,
        "images": lambda p: made_files.write_images(p, {"cat": crops[:, :1]}),
        "scores": lambda p: made_files.write_scores(p, ["combined"], {CLIP: rows}),
        "calibration": lambda p: made_files.write_calibration(p, {"jigsaw": levels}),
    }
    layouts = {layout.kind: layout for layout in made_files.LAYOUTS}

    def target(kind: str) -> Callable[[Path], Target]:
        def make(folder: Path) -> Target:
            path = folder / f"{kind}.h5"
            makers[kind](path)
            # What was added or taken away by the library must be refused, so nothing may differ.
            read = lambda p: everything(p, layouts[kind])  # noqa: E731
            return Target(path, read, vouched=True, tamper=retouched)

        return make

    return {kind: target(kind) for kind in makers}


def out_of(values, low: float, high: float, what: str) -> str:
    values = np.asarray(values, float)
    return "" if ((values >= low) & (values <= high)).all() else f"{what} outside {low} to {high}"


TEXTS: dict[str, tuple[str, str, Callable[[Path], object], Callable[[object], str]]] = {
    "manifest": (
        "manifest.csv",
        f"{','.join(COLUMNS)}\ntest,0,01,clips/01,20,25.0,64,48,5-9:running,,\n"
        "train,0,02,clips/02,30,25.0,64,48,,,\n",
        read_manifest,
        lambda t: out_of(t[["frames", "fps", "width", "height"]], 1e-9, 1e15, "a size"),
    ),
    "frame_scores": (
        "frame_scores.csv",
        "clip,frame,label,kind,objects,combined,combined_smoothed\n"
        "01,0,0,,1,0.5,0.25\n01,1,1,fall,2,0.75,0.5\n02,0,,,0,0.0,0.0\n",
        read_frame_scores,
        lambda t: out_of(t[["combined", "combined_smoothed"]], 0, 1, "a score"),
    ),
    "history": (
        "history.csv",
        "step,cubes_seen,split,loss_total\n10,160,train,0.5\n10,160,validation,0.25\n",
        read_history,
        lambda t: "" if t["split"].isin(["train", "validation"]).all() else "a split",
    ),
    "metrics": (
        "metrics.json",
        json.dumps(
            {
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
        ),
        read_metrics,
        lambda m: "" if isinstance(m["scores"], dict) else "scores",
    ),
    "card": (
        "model.json",
        json.dumps(
            {
                "spec": {
                    "size": 64,
                    "radius": 3,
                    "max_gap": 4,
                    "tasks": ["jigsaw"],
                    "classes": ["a"],
                    "encoder": "cnn3d",
                    "encoder_options": {},
                    "task_options": {},
                },
                "seed": 0,
                "train": {},
            }
        ),
        read_card,
        lambda c: out_of(c["spec"]["size"], 1, 4096, "size"),
    ),
    "boxes": (
        "boxes.csv",
        "clip,frame,x1,y1,x2,y2,confidence,p0,p1\n01,0,2,5,11,22,0.9,0.5,0.5\n"
        "01,3,2.5,5,12,22,0.8,1,0\n",
        lambda p: imported.boxes_of_clip(imported.read_boxes(p), CLIP, FRAMES, 64, 48, 0.1),
        lambda f: out_of(f[0], 0, FRAMES - 1, "a frame") or out_of(f[1].box, 0, 64, "a box"),
    ),
    "labels": (
        "labels.csv",
        "clip,first,last,kind\n01,2,5,fall\n02,,,\n",
        lambda p: labels.frame_labels(Clip("test", CLIP, "x", labels=str(p)), FRAMES),
        lambda f: "" if f is None else out_of([i[:2] for i in f], 0, FRAMES - 1, "a label"),
    ),
    "labels_by_frame": (
        "labels.csv",
        "clip,frame,anomalous\n" + "".join(f"01,{i},{int(i > 5)}\n" for i in range(FRAMES)),
        lambda p: labels.frame_labels(Clip("test", CLIP, "x", labels=str(p)), FRAMES),
        lambda f: "" if f is None else out_of([i[:2] for i in f], 0, FRAMES - 1, "a label"),
    ),
    "labels_m": (
        "gt.m",
        "TestVideoFile{end+1}.gt_frame = [2:5, 7:9];\n",
        lambda p: labels.frame_labels(Clip("test", CLIP, "x", labels=str(p)), FRAMES),
        lambda f: out_of([i[:2] for i in f], 0, FRAMES - 1, "a label") if f else "",
    ),
    "tracks": (
        "01.txt",
        "0,2,5,6,20,30\n0,3,6,6,21,30\n1,3,1,1,4,9\n",
        lambda p: read_tracks(p, FRAMES),
        lambda t: out_of(t.frame, 0, FRAMES - 1, "a frame"),
    ),
    "polygons": (
        "ignore.json",
        "[[[10, 20], [90, 20], [90, 60]]]\n",
        lambda p: polygons.read(str(p)),
        lambda found: "",
    ),
    "cfg": (
        "net.cfg",
        "[net]\nchannels=3\n[convolutional]\nfilters=21\nsize=1\nstride=1\npad=1\n"
        "activation=linear\n[yolo]\nmask=0,1,2\nanchors=10,14,23,27,37,58\nclasses=2\n",
        lambda p: darknet.Darknet(darknet.parse_cfg(p.read_text("latin-1"), str(p)), str(p)),
        lambda network: out_of(network.classes, 1, 1 << 15, "classes"),
    ),
}


def text_targets() -> dict[str, Callable[[Path], Target]]:
    def target(name: str) -> Callable[[Path], Target]:
        file, content, read, implausible = TEXTS[name]

        def make(folder: Path) -> Target:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / file
            path.write_text(content)
            return Target(path, read, text=True, implausible=implausible)

        return make

    return {name: target(name) for name in TEXTS}


def watcher_target(folder: Path) -> Target:
    """watcher.json, beside the scores that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "settings": {stage: {} for stage in watcher.STAGES},
        "normal": {CLIP: {"fps": 25.0, "frames": 2}},
    }
    (folder / watcher.NORMAL).write_text("clip,time,score\n01,0.0,0.5\n01,0.04,0.25\n")
    whole = folder / "whole.json"
    whole.write_text(json.dumps(about))

    def read(path: Path) -> object:
        place = folder / watcher.CARD
        shutil.copyfile(path, place)
        found = watcher.read_about(folder)
        return found, len(watcher.read_normal(folder, found))

    def implausible(found) -> str:
        rates = [values["fps"] for values in found[0]["normal"].values()]
        return out_of(rates, 1e-9, 1e6, "fps")

    return Target(whole, read, text=True, implausible=implausible)


def array_targets() -> dict[str, Callable[[Path], Target]]:
    """Masks and labels in arrays, of NumPy and of both versions of Matlab."""
    masks = np.zeros((FRAMES, 4, 6), np.uint8)
    masks[2, 1, 3] = 1

    def npy(folder: Path) -> Target:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "01.npy", masks)
        return Target(folder / "01.npy", read)

    def mat(folder: Path) -> Target:
        from scipy.io import savemat

        folder.mkdir(parents=True, exist_ok=True)
        cells = np.empty((1, FRAMES), object)
        for number, mask in enumerate(masks):
            cells[0, number] = mask
        savemat(folder / "01.mat", {"volLabel": cells})
        return Target(folder / "01.mat", read)

    def mat73(folder: Path) -> Target:
        folder.mkdir(parents=True, exist_ok=True)
        with h5py.File(folder / "01.mat", "w") as file:
            cell = file.create_dataset("volLabel", (FRAMES, 1), h5py.ref_dtype)
            for number, mask in enumerate(masks):
                cell[number, 0] = file.create_dataset(f"#refs#/{number}", data=mask.T).ref
        return Target(folder / "01.mat", read)

    def read(path: Path) -> object:
        clip = Clip("test", CLIP, "x", labels=str(path))
        found = labels.frame_labels(clip, FRAMES)
        return found, [mask.tolist() for mask in read_masks(path, FRAMES, (4, 6))]

    return {"npy": npy, "mat": mat, "mat73": mat73}


def weights_target(folder: Path) -> Target:
    """Darknet's weights of a small network."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.linspace(-1, 1, 84, dtype="<f4")
    path = folder / "net.weights"
    path.write_bytes(np.array([0, 2, 0, 0, 0], "<i4").tobytes() + values.tobytes())

    def read(found: Path) -> object:
        return darknet.read_weights(found, len(values))

    return Target(path, read, implausible=lambda v: "" if np.isfinite(v).all() else "not finite")


TARGETS: dict[str, Callable[[Path], Target]] = {
    **hdf5_targets(),
    **text_targets(),
    "watcher": watcher_target,
    **array_targets(),
    "weights": weights_target,
}
