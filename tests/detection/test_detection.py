"""Detectors: the shared `detect`, the three back ends, and their errors."""

import functools
import hashlib
import logging
import os
import threading
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from real_data import needs, real

from ssmtl.core import download
from ssmtl.core.errors import InputError

# Before anything of Ultralytics: the back end sets the environment it reads on import.
from ssmtl.detection import Detector, class_vectors, darknet, detect, imported, load
from ssmtl.detection import ultralytics as backend
from ssmtl.detection.base import letterbox, read_names

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "workflow" / "models"
DATA = Path(__file__).parent / "data"
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, 2))
    yield
    torch.set_num_threads(before)


# --- detect -----------------------------------------------------------------------------------


class Scripted(Detector):
    """Gives the same candidates for every picture: (box, objectness, class_probs) each."""

    has_objectness = True

    def __init__(self, *candidates, size=64):
        self.candidates = [
            torch.tensor(each, dtype=torch.float32) for each in zip(*candidates, strict=True)
        ]
        super().__init__(["a", "b"], size, CPU)

    def raw(self, images):
        return tuple(each.expand(len(images), *each.shape) for each in self.candidates)


class WhiteSpot(Detector):
    """Finds the one white rectangle of a picture, to half a pixel of the input."""

    def __init__(self, size, square=False, stretch=False):
        super().__init__(["spot"], size, CPU)
        self.square, self.stretch = square, stretch
        self.shapes = []

    def raw(self, images):
        self.shapes.append(tuple(images.shape))
        boxes = []
        for image in images:
            rows, columns = (torch.nonzero(image[0].amax(d) > 0.75)[:, 0] for d in (1, 0))
            boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        return torch.tensor(boxes).float()[:, None], *(torch.ones(len(images), 1, *n) for n in NONE)


NONE = ((), (1,))


def frame_with_spot(height, width, box):
    frame = np.full((height, width, 3), 40, np.uint8)
    x1, y1, x2, y2 = box
    frame[y1:y2, x1:x2] = 255
    return frame


@pytest.mark.parametrize("square,stretch", [(True, False), (False, False), (False, True)])
@pytest.mark.parametrize("shape", [(240, 360), (360, 241), (64, 64), (37, 300), (128, 128)])
def test_boxes_come_back_in_source_pixels(shape, square, stretch):
    height, width = shape
    box = (width // 4, height // 5, width * 3 // 4, height * 4 // 5)
    detector = WhiteSpot(128, square, stretch)
    [found] = detect(detector, [frame_with_spot(*shape, box)], confidence=0.5, iou=0.5)
    assert found.box == pytest.approx(np.array([box]), abs=0.75 * max(shape) / 128 + 1e-3)
    (_, _, *canvas) = detector.shapes[0]
    assert max(canvas) == 128 and all(side % 32 == 0 for side in canvas)
    assert not square or canvas == [128, 128]


def test_letterbox_is_centred_and_pads_no_more_than_needed():
    fit = letterbox(1080, 1920, 640, 32, square=False)
    assert (fit.resized, fit.canvas, fit.top, fit.left) == ((360, 640), (384, 640), 12, 0)
    fit = letterbox(1080, 810, 416, 32, square=True)
    assert (fit.resized, fit.canvas, fit.top, fit.left) == ((416, 312), (416, 416), 0, 52)
    fit = letterbox(1080, 810, 416, 32, square=False, stretch=True)
    assert (fit.resized, fit.canvas, fit.top, fit.left) == ((416, 320), (416, 320), 0, 0)


def test_frames_of_different_sizes_keep_their_order():
    frames = [
        frame_with_spot(64, 96, (8, 8, 24, 24)),
        frame_with_spot(96, 64, (40, 60, 56, 90)),
        frame_with_spot(64, 96, (60, 20, 90, 50)),
    ]
    found = detect(WhiteSpot(96, False), frames, confidence=0.5, iou=0.5)
    expected = [(8, 8, 24, 24), (40, 60, 56, 90), (60, 20, 90, 50)]
    assert [tuple(boxes.box[0]) for boxes in found] == expected


FRAME = np.zeros((64, 64, 3), np.uint8)


def test_confidence_is_objectness_times_best_class_and_probs_stay_whole():
    detector = Scripted(
        ([0, 0, 10, 10], 0.5, [0.2, 0.9]),
        ([30, 30, 50, 60], 0.9, [0.8, 0.1]),
        ([30, 0, 50, 20], 0.9, [0.3, 0.4]),
    )
    [boxes] = detect(detector, [FRAME], confidence=0.4, iou=0.5)
    assert boxes.box.tolist() == [[30, 30, 50, 60], [0, 0, 10, 10]]
    assert boxes.confidence == pytest.approx([0.72, 0.45])
    assert boxes.class_id.tolist() == [0, 1]
    assert boxes.class_probs == pytest.approx(np.array([[0.8, 0.1], [0.2, 0.9]]))
    types = [boxes.box, boxes.confidence, boxes.class_id, boxes.class_probs]
    assert [each.dtype for each in types] == [np.float32, np.float32, np.int32, np.float32]


def test_suppression_is_within_a_class_only_also_outside_the_picture():
    # Shifted by class without care, the second class's box left of the picture would fall onto
    # the first class's box at the right.
    detector = Scripted(
        ([34, 0, 64, 20], 1.0, [0.9, 0.0]),
        ([35, 0, 64, 20], 1.0, [0.8, 0.0]),
        ([-31, 0, 1, 20], 1.0, [0.0, 0.7]),
        ([34, 0, 64, 20], 1.0, [0.0, 0.6]),
    )
    [boxes] = detect(detector, [FRAME], confidence=0.5, iou=0.5)
    assert boxes.confidence == pytest.approx([0.9, 0.7, 0.6])
    assert boxes.box[1].tolist() == [0, 0, 1, 20]


def test_boxes_in_the_grey_border_are_dropped_and_max_boxes_counts_the_rest():
    border = ([0, 0, 60, 10], 1.0, [1.0, 0.0])
    inside = [([8 * i, 30, 8 * i + 6, 36], 1.0, [0.9 - 0.1 * i, 0.0]) for i in range(4)]
    wide = np.zeros((32, 64, 3), np.uint8)  # rows 16 to 48 of the square input
    detector = Scripted(border, *inside)
    detector.square = True
    [boxes] = detect(detector, [wide], confidence=0.1, iou=0.5, max_boxes=3)
    assert boxes.confidence == pytest.approx([0.9, 0.8, 0.7])
    assert boxes.box[0].tolist() == [0, 14, 6, 20]


def test_nothing_found_and_no_frames():
    detector = Scripted(([0, 0, 10, 10], 0.1, [0.2, 0.9]))
    [boxes] = detect(detector, [FRAME], confidence=0.5, iou=0.5)
    assert (boxes.box.shape, boxes.class_probs.shape, len(boxes)) == ((0, 4), (0, 2), 0)
    assert detect(detector, [], confidence=0.5, iou=0.5) == []


class Small(WhiteSpot):
    """A device that holds `room` pictures."""

    room = 3

    def raw(self, images):
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().raw(images)


def test_out_of_memory_halves_the_batch_and_loses_nothing(caplog):
    frames = [frame_with_spot(64, 64, (i, 2 * i, i + 9, 2 * i + 9)) for i in range(10)]
    detector = Small(64, False)
    with caplog.at_level(logging.WARNING):
        found = detect(detector, frames, confidence=0.5, iou=0.5)
    assert [boxes.box[0, 0] for boxes in found] == list(range(10))
    assert detector.batch == 2
    assert [shape[0] for shape in detector.shapes] == [2, 2, 2, 2, 2]
    assert len(caplog.records) == 2  # 10 -> 5 -> 2


class Late(Small):
    """A device on which the first pass fails only after all others are done."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.turns = threading.Semaphore(2)  # on one core, too
        self.failing, self.others_done = threading.Event(), threading.Event()
        self.tried = []

    def raw(self, images):
        self.tried.append(len(images))
        if not self.failing.is_set():
            self.failing.set()
            assert self.others_done.wait(60)
        return super().raw(images)


def test_a_thread_that_fails_late_makes_no_batch_larger_again():
    frames = [frame_with_spot(64, 64, (i, 2 * i, i + 9, 2 * i + 9)) for i in range(10)]
    detector, limits = Late(64, False), {"confidence": 0.5, "iou": 0.5}
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(detect, detector, frames, **limits)
        assert detector.failing.wait(60)
        found = detect(detector, frames, **limits)
        assert detector.batch == 2
        detector.others_done.set()
        assert [boxes.box[0, 0] for boxes in late.result()] == list(range(10))
    assert [boxes.box[0, 0] for boxes in found] == list(range(10))
    assert detector.batch == 2
    assert sorted(detector.tried) == [2] * 10 + [5, 10, 10], "5 was tried again"


def test_out_of_memory_at_one_picture_is_an_input_error():
    detector = Small(64, False)
    detector.room = 0
    with pytest.raises(InputError, match="does not fit into the memory of cpu; lower image_size"):
        detect(detector, [FRAME, FRAME], confidence=0.5, iou=0.5)


# --- class_vectors ----------------------------------------------------------------------------

CANDIDATES = (
    ([0, 0, 20, 20], 0.9, [0.1, 0.2]),  # IoU with 0 0 10 10: 0.25
    ([0, 0, 10, 10], 0.2, [0.9, 0.3]),  # the box itself, hardly an object
    ([40, 40, 60, 60], 1.0, [0.5, 0.6]),
)


def test_class_vector_of_the_best_candidate():
    detector = Scripted(*CANDIDATES)
    crops = np.zeros((3, 3, 64, 64), np.float32)
    boxes = np.array([[0, 0, 10, 10], [38, 38, 61, 61], [30, 0, 34, 2]], np.float32)
    vectors = class_vectors(detector, crops, boxes)
    # The last box meets no candidate: the nearest centre answers.
    assert vectors == pytest.approx(np.array([[0.1, 0.2], [0.5, 0.6], [0.1, 0.2]]))
    assert vectors.dtype == np.float32
    detector.has_objectness = False  # then 0.2 * 0.25 < 0.9 * 1
    assert class_vectors(detector, crops[:1], boxes[:1])[0] == pytest.approx([0.9, 0.3])


def test_class_vectors_of_nothing_and_in_small_batches():
    detector = Scripted(*CANDIDATES)
    assert class_vectors(detector, np.zeros((0, 3, 64, 64)), np.zeros((0, 4))).shape == (0, 2)
    detector.batch = 2
    crops, boxes = torch.zeros(5, 3, 64, 64), torch.tensor([[40.0, 40, 60, 60]] * 5)
    assert class_vectors(detector, crops, boxes).shape == (5, 2)


# --- load -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["base", "imported", "nothing", "../os", "os.path", ""])
def test_unknown_back_end(name):
    with pytest.raises(InputError, match="unknown detector back end"):
        load(name, "x", image_size=64, device="cpu")


def test_unusable_device():
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        load("darknet", "x", image_size=64, device="gpu")
    with pytest.raises(InputError, match="is not there"):
        load("darknet", "x", image_size=64, device="cuda:99")


def test_image_size_must_fit_the_stride():
    with pytest.raises(InputError, match="image_size 100 is not a multiple of 32; use 96"):
        Scripted(*CANDIDATES, size=100)


def test_names(tmp_path):
    path = tmp_path / "a.names"
    path.write_text("person\nfire hydrant\n\n")
    assert read_names(str(path), 2) == ("person", "fire hydrant")
    assert read_names("", 3) == ("0", "1", "2")
    with pytest.raises(InputError, match=r"a\.names: 2 class names for a network of 3"):
        read_names(str(path), 3)
    with pytest.raises(InputError, match="cannot be read"):
        read_names(str(tmp_path / "no.names"), 3)


# --- darknet ----------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """The frozen network of benchmarks/darknet_vs_opencv.py: cfg, weights, image, OpenCV's rows."""
    frozen = np.load(DATA / "darknet_small.npz")
    cfg, weights = tmp_path / "small.cfg", tmp_path / "small.weights"
    cfg.write_text(str(frozen["cfg"]))
    weights.write_bytes(frozen["weights"].tobytes())
    return cfg, weights, frozen["image"], frozen["opencv"]


def load_small(cfg, weights):
    return load("darknet", str(weights), cfg=str(cfg), image_size=64, device="cpu")


def test_every_kind_of_layer_agrees_with_opencv(small):
    cfg, weights, image, expected = small
    kinds = {name for name, _ in darknet.parse_cfg(cfg.read_text(), "small")}
    assert kinds == {"net", *darknet.LAYERS}
    images = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    boxes, objectness, probs = (each[0].numpy() for each in load_small(cfg, weights).raw(images))
    low, high = boxes[:, :2] / 64, boxes[:, 2:] / 64
    scores = objectness[:, None]
    rows = np.hstack([(low + high) / 2, high - low, scores, scores * probs])
    assert rows == pytest.approx(expected, abs=1e-5)


def test_half_precision_stays_near_single(small, seeded):
    """As on CUDA: convolutions in half precision, all that follows in single."""
    cfg, weights, image, _ = small
    images = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    yolo = str(seeded("yolo11n"))

    def candidates(precision):
        how = {"image_size": 64, "device": "cpu", "precision": precision, "engine": "torch"}
        loaded = (
            load("darknet", str(weights), cfg=str(cfg), **how),
            load("ultralytics", yolo, **how),
        )
        return [detector.raw(images) for detector in loaded]

    # bfloat16, which has fewer bits than a GPU's float16.
    for exact, half in zip(candidates("float32"), candidates("bfloat16"), strict=True):
        for a, b in zip(exact, half, strict=True):
            assert b.dtype == torch.float32
            # On average: random weights enlarge the rounding of single candidates.
            assert (a - b).abs().mean() < 0.25 * a.abs().mean()


@pytest.mark.parametrize(
    ("name", "layers", "bytes_"), [("yolov3", 107, 248007048), ("yolov3-tiny", 24, 35434956)]
)
def test_shipped_networks_have_the_size_of_the_published_weights(name, layers, bytes_):
    cfg = MODELS / f"{name}.cfg"
    network = darknet.Darknet(darknet.parse_cfg(cfg.read_text(), name), name)
    assert len(network.layers) == layers
    assert 20 + 4 * sum(sum(layer.counts) for layer in network.convolutions) == bytes_


@needs("weights/yolov3-tiny.weights")
def test_published_tiny_weights_find_the_people_and_the_bus():
    from ultralytics.utils import ASSETS

    picture = cv2.imread(str(ASSETS / "bus.jpg"), cv2.IMREAD_COLOR_RGB)
    detector = load(
        "darknet",
        str(real("weights/yolov3-tiny.weights")),
        cfg=str(MODELS / "yolov3-tiny.cfg"),
        names=str(MODELS / "coco.names"),
        image_size=416,
        device="cpu",
    )
    [boxes] = detect(detector, [picture], confidence=0.2, iou=0.45)
    found = [
        (detector.classes[i], c) for i, c in zip(boxes.class_id, boxes.confidence, strict=True)
    ]
    assert [name for name, _ in found] == ["person"] * 4 + ["bus"]
    people = [confidence for _, confidence in found[:4]]
    assert people[1] > 0.85 and people[3] > 0.6
    assert found[4][1] == pytest.approx(0.24, abs=0.02)


def test_weights_must_have_the_exact_length(small):
    cfg, weights, *_ = small
    data = weights.read_bytes()
    for wrong in (data[:-4], data + b"\0", b""):
        weights.write_bytes(wrong)
        with pytest.raises(InputError, match=rf"small\.weights: {len(wrong)} bytes where the .cfg"):
            load_small(cfg, weights)
    weights.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        load_small(cfg, weights)


def test_old_header_counts_pictures_in_four_bytes(small):
    cfg, weights, *_ = small
    new = load_small(cfg, weights)
    body = weights.read_bytes()[20:]
    weights.write_bytes(np.array([0, 1, 0, 7], "<i4").tobytes() + body)
    old = load_small(cfg, weights)
    for a, b in zip(*(each.network.module.parameters() for each in (new, old)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filters=3", "line 1 is no `key=value` of a section"),
        ("", "does not start with"),
        ("[net]\n[convolutional]\nfilters 3", "line 3"),
        ("[net]\n[reorg3d]", r"layer 0 \[reorg3d\]: unknown layer"),
        ("[net]\n[convolutional]\nfilters=3\nactivation=mish", "activation=mish"),
        ("[net]\n[convolutional]\nactivation=leaky", "`filters` is 'missing'"),
        ("[net]\n[convolutional]\nfilters=3\nactivation=leaky\ngroups=3", "groups=3"),
        ("[net]\n[maxpool]\nsize=2\n[route]\nlayers=-4", "refers to layer -4"),
        ("[net]\n[yolo]\nmask=0\nanchors=1,2\nclasses=3", "needs 1 .* 8|channels"),
        ("[net]\n[yolo]\nmask=1\nanchors=1,2\nclasses=3", "masks anchor 1 of 1"),
        ("[net]\n[maxpool]\nsize=2", r"needs \[yolo\] layers"),
    ],
)
def test_unusable_cfg(tmp_path, text, message):
    cfg = tmp_path / "bad.cfg"
    cfg.write_text(text)
    with pytest.raises(InputError, match=rf"bad\.cfg: .*{message}"):
        load_small(cfg, tmp_path / "no.weights")


# --- ultralytics ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    """name of an Ultralytics .yaml -> a file of weights for it."""
    folder = tmp_path_factory.mktemp("seeded")

    @functools.cache
    def weights(name):
        path = folder / f"seeded-{name.removeprefix('yolov3')}.pt"
        seeded_model(name).save(path)
        return path

    return weights


def seeded_model(name):
    """Random weights whose activations are normalised, so that the boxes differ from each other."""
    from ultralytics import YOLO

    torch.manual_seed(3)
    yolo = YOLO(f"{name}.yaml")
    head = yolo.model.model[-1]
    norms = [m for m in yolo.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # running statistics = those of the one batch below
        norm.reset_running_stats()
    batch = torch.rand(2, 3, 128, 160)
    with torch.no_grad():
        raw = yolo.model.train()(batch)
        spread = raw.get("one2many", raw)["scores"].std()
        for layer in head.cv3:
            layer[-1].weight.mul_(0.4 / spread)
            layer[-1].bias.normal_(-2.5, 0.5)
    yolo.model.eval()
    return yolo


@pytest.mark.parametrize("name", ["yolov3-tiny", "yolo11n", "yolov10n", "yolo26n"])
def test_same_boxes_as_ultralytics_predict(name, seeded):
    from ultralytics import YOLO

    path = seeded(name)
    reference = YOLO(path)
    frame = np.random.default_rng(0).integers(0, 256, (122, 160, 3), np.uint8)
    detector = load("ultralytics", str(path), image_size=160, device="cpu")
    options = {"iou": 0.6, "max_boxes": 3000}
    ours = detect(detector, [frame, frame], confidence=0.2, **options)[1]
    reference.model.model[-1].end2end = False  # predict would take the head without class vectors
    options = {"iou": 0.6, "max_det": 3000, "imgsz": 160, "verbose": False}
    theirs = reference.predict(frame[..., ::-1], conf=0.2, **options)[0].boxes.data.numpy()
    theirs = theirs[(theirs[:, 2] > theirs[:, 0]) & (theirs[:, 3] > theirs[:, 1])]
    assert len(ours) > 10 and len(set(ours.class_id)) > 3
    rows = np.column_stack([ours.box, ours.confidence, ours.class_id])
    distance = np.abs((rows[:, None] - theirs) / [50, 50, 50, 50, 1, 1]).max(-1)
    # Rounding may tip a pair of boxes that overlap by just the limit, no more than that.
    assert all((distance.min(axis) < 1e-3).mean() > 0.98 for axis in (0, 1))
    assert ours.class_probs.shape == (len(ours), 80)
    assert ours.class_probs.max(1) == pytest.approx(ours.confidence)
    assert ours.class_probs.argmax(1).tolist() == ours.class_id.tolist()


@pytest.mark.parametrize("name", ["yolo11n-seg", "yolov8n-pose", "yolo11n-cls"])
def test_models_without_class_vectors_are_refused(name, tmp_path):
    from ultralytics import YOLO

    path = tmp_path / "other.pt"
    YOLO(f"{name}.yaml").save(path)
    with pytest.raises(InputError, match=r"other\.pt: a model with a \w+ head gives no box-wise"):
        load("ultralytics", str(path), image_size=320, device="cpu")


def test_fused_end_to_end_weights_are_refused(tmp_path):
    path = tmp_path / "fused.pt"
    yolo = seeded_model("yolov10n")
    yolo.model.model[-1].end2end = True
    yolo.model.fuse(verbose=False)
    yolo.save(path)
    with pytest.raises(InputError, match="saved after fusing"):
        load("ultralytics", str(path), image_size=320, device="cpu")


def answer(data, length):
    body = BytesIO(data)
    body.headers = {"Content-Length": str(length)}
    return body


@pytest.mark.parametrize("reply", ["offline", "truncated"])
def test_weights_that_cannot_be_fetched_leave_nothing(reply, tmp_path, monkeypatch):
    def urlopen(url, timeout):
        assert url.endswith("/yolov3u.pt") and timeout
        if reply == "offline":
            raise urllib.error.URLError("no network")
        return answer(b"half", 8)

    monkeypatch.setattr(download, "urlopen", urlopen)
    path = tmp_path / "yolov3u.pt"
    with pytest.raises(InputError, match=r"get https://github\.com/.*/yolov3u\.pt and put it at"):
        load("ultralytics", str(path), image_size=320, device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_weights_are_fetched_to_the_path_they_are_expected_at(
    seeded, tmp_path, monkeypatch, caplog
):
    data = seeded("yolo11n").read_bytes()
    monkeypatch.setattr(download, "urlopen", lambda url, timeout: answer(data, len(data)))
    path = tmp_path / "weights" / "yolo11n.pt"
    with pytest.raises(InputError, match=r"yolo11n\.pt: SHA-256 is .*, expected 0ebbc80d"):
        load("ultralytics", str(path), image_size=320, device="cpu")
    assert not path.exists()
    digest = hashlib.sha256(data).hexdigest()
    monkeypatch.setitem(backend.CHECKSUMS, "yolo11n.pt", digest)
    detector = load("ultralytics", str(path), image_size=320, device="cpu")
    assert len(detector.classes) == 80 and "vouches" not in caplog.text
    assert [each.name for each in path.parent.iterdir()] == ["yolo11n.pt"]
    path.unlink()
    monkeypatch.delitem(backend.CHECKSUMS, "yolo11n.pt")
    load("ultralytics", str(path), image_size=320, device="cpu")
    assert digest in caplog.text and "a .pt file is a pickle" in caplog.text


def test_unknown_and_renamed_weights(tmp_path):
    with pytest.raises(InputError, match="no such file, nor a name of Ultralytics' own"):
        load("ultralytics", str(tmp_path / "mine.pt"), image_size=320, device="cpu")
    with pytest.raises(InputError, match=r"reads this name as yolov3u\.pt"):
        load("ultralytics", "yolov3.pt", image_size=320, device="cpu")
    with pytest.raises(InputError, match="'cfg' at options of ultralytics; it has none"):
        load("ultralytics", "yolov3u.pt", cfg="a.cfg", image_size=320, device="cpu")


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "not a model"])
def test_damaged_weights(damage, seeded, tmp_path):
    path = tmp_path / "yolo11n.pt"
    torch.save({"model": [1, 2]}, path)
    whole = seeded("yolo11n").read_bytes()
    damaged = {"empty": b"", "truncated": whole[: len(whole) // 2], "text": b"<html>"}
    data = damaged.get(damage, path.read_bytes())
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"yolo11n\.pt: not readable as Ultralytics") as caught:
        load("ultralytics", str(path), image_size=320, device="cpu")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == data


def test_ultralytics_is_silent_and_leaves_the_users_settings_alone():
    from ultralytics.utils import AUTOINSTALL, ONLINE, SAFE_LOAD, SETTINGS_FILE

    assert (AUTOINSTALL, ONLINE, SAFE_LOAD, backend.SETTINGS["sync"]) == (False, False, True, False)
    assert SETTINGS_FILE.is_relative_to(os.environ["YOLO_CONFIG_DIR"])


# --- imported ---------------------------------------------------------------------------------

HEADER = "clip,frame,x1,y1,x2,y2,confidence"


def boxes_file(tmp_path, *rows, header=HEADER):
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_boxes_of_one_clip(tmp_path):
    path = boxes_file(
        tmp_path,
        "01,5,10,20,30,40,0.9",
        "1,0,0,0,5,5,0.8",
        "01,2,-4,-4,8,8,0.7",
        "01,2,90,90,120,130,0.6",
        "01,2,0,0,9,9,0.1",
        "01,3,101,0,110,9,0.9",
    )
    table = imported.read_boxes(path)
    frame, boxes = imported.boxes_of_clip(table, "01", 6, width=100, height=100, confidence=0.5)
    assert frame.tolist() == [2, 2, 5] and frame.dtype == np.int32
    assert boxes.box.tolist() == [[0, 0, 8, 8], [90, 90, 100, 100], [10, 20, 30, 40]]
    assert boxes.confidence == pytest.approx([0.7, 0.6, 0.9])
    assert boxes.class_id.tolist() == [-1, -1, -1]
    assert boxes.class_probs.shape == (3, 0)
    frame, boxes = imported.boxes_of_clip(table, "02", 6, 100, 100, 0.5)
    assert (len(frame), boxes.box.shape, boxes.class_probs.shape) == (0, (0, 4), (0, 0))


def test_class_and_probability_columns(tmp_path):
    numbered = ",".join(f"p{index}" for index in reversed(range(11)))
    probs = ",".join(str(index / 10) for index in reversed(range(11)))
    path = boxes_file(tmp_path, f"a,0,1,1,2,2,1,{probs}", header=f"{HEADER},{numbered}")
    table = imported.read_boxes(path)
    _, boxes = imported.boxes_of_clip(table, "a", 1, 9, 9, 0)
    assert boxes.class_probs[0] == pytest.approx(np.arange(11) / 10)
    assert boxes.class_id.tolist() == [10]
    header = f"{HEADER},class,p_person,p_car"
    table = imported.read_boxes(boxes_file(tmp_path, "a,0,1,1,2,2,1,0,0.2,0.7", header=header))
    assert imported.class_names(table) == ("person", "car")
    _, boxes = imported.boxes_of_clip(table, "a", 1, 9, 9, 0)
    assert boxes.class_id.tolist() == [0]
    assert boxes.class_probs == pytest.approx(np.array([[0.2, 0.7]]))


def test_frame_beyond_the_clip(tmp_path):
    table = imported.read_boxes(boxes_file(tmp_path, "01,6,1,1,2,2,0.1"))
    with pytest.raises(InputError, match="clip 01 has a box in frame 6, but only 6 frames"):
        imported.boxes_of_clip(table, "01", 6, 100, 100, 0.5)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("01,0,1,1,2,2,", "confidence is not a number"),
        ("01,0,1,1,2,nan,1", "y2 is not a number"),
        ("01,0,inf,1,2,2,1", "x1 is not a number"),
        ("01,x,1,1,2,2,1", "frame is not a number"),
        ("01,0.5,1,1,2,2,1", "frame is no whole number from 0"),
        ("01,-1,1,1,2,2,1", "frame is no whole number"),
        ("01,0,2,1,2,2,1", "x2 is not greater than x1"),
        ("01,0,1,3,2,2,1", "y2 is not greater than y1"),
        ("01,0,1,1,2,2,1.5", "confidence is not between 0 and 1"),
        (",0,1,1,2,2,1", "clip is empty"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, problem):
    path = boxes_file(tmp_path, "01,0,1,1,2,2,1", row)
    with pytest.raises(InputError, match=rf"boxes\.csv: line 3: {problem}"):
        imported.read_boxes(path)


def test_bad_files(tmp_path):
    with pytest.raises(InputError, match=r"missing columns \['confidence'\], unknown .*'score'"):
        imported.read_boxes(boxes_file(tmp_path, header="clip,frame,x1,y1,x2,y2,score"))
    with pytest.raises(InputError, match=r"line 2: p0 is not between 0 and 1"):
        imported.read_boxes(boxes_file(tmp_path, "a,0,1,1,2,2,1,1.1", header=f"{HEADER},p0"))
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        imported.read_boxes(tmp_path / "none.csv")
    with pytest.raises(InputError, match="not readable as a CSV"):
        imported.read_boxes(boxes_file(tmp_path, header=""))
    assert len(imported.read_boxes(boxes_file(tmp_path))) == 0
