"""Frames, detection and cubes by threads: the same bytes, bounded queues, batches that fit."""

import hashlib
import time

import h5py
import numpy as np
import pytest
import torch

from ssmtl import detection
from ssmtl.core import store
from ssmtl.core import threads as overlap
from ssmtl.core.device import one_torch_thread
from ssmtl.core.errors import InputError
from ssmtl.detection import Detector
from ssmtl.formats import frames as frames_
from ssmtl.formats import hdf5
from ssmtl.formats.detections import DETECTIONS
from ssmtl.media import codec, crops
from ssmtl.stages import cubes
from ssmtl.stages import detect as detections
from ssmtl.stages.settings import Detect

HEIGHT, WIDTH = 48, 64
LIMITS = {"confidence": 0.2, "iou": 0.5, "max_boxes": 5}
SETTINGS = Detect(**LIMITS)


class Brightness(Detector):
    """Finds one box in every picture, as confident as the picture is bright."""

    def __init__(self, batch, room=10**6, delay=lambda count: 0.0):
        super().__init__(["a", "b"], 64, torch.device("cpu"))
        self.batch, self.room, self.delay = batch, room, delay
        self.sizes = []

    def raw(self, images):
        self.sizes.append(len(images))
        time.sleep(self.delay(len(images)))
        if len(images) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        bright = images.mean((1, 2, 3))[:, None]
        box = torch.tensor([[4.0, 4, 40, 30]]).expand(len(images), 1, 4)
        return box, bright, torch.stack((bright, bright.sqrt()), -1)


@pytest.fixture
def film(tmp_path):
    """The frames of one clip, JPEG, brighter and brighter."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 40, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    coded = [codec.encode_jpeg(noise + np.uint8(3 * number), 95) for number in range(71)]
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        group = file.create_group("clip")
        group["bytes"] = np.frombuffer(b"".join(coded), np.uint8)
        group["offsets"] = np.cumsum([0, *map(len, coded)])
        store.set_attributes(group, width=WIDTH, height=HEIGHT, encoding="jpeg")
        yield frames_.Frames(group)


def test_frames_come_in_order_and_then_is_applied_to_each(film, monkeypatch):
    for cores in (1, 5):
        monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
        found = list(film.decoded(10, 50, lambda number, picture: (number, picture.mean())))
        assert [number for number, _ in found] == list(range(10, 50))
        assert [mean for _, mean in found] == [film[number].mean() for number in range(10, 50)]


def test_ahead_is_bounded_and_leaves_the_rest_when_it_ends_early():
    taken, done = [], []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    results = overlap.ahead(done.append, items(), threads=2, waiting=7)
    for _ in range(3):
        next(results)
    results.close()
    assert len(taken) <= 10
    assert set(done) <= set(taken)
    with pytest.raises(ZeroDivisionError):
        list(overlap.ahead(lambda number: 1 // (5 - number), range(1000), threads=2))


def test_bytes_of_detections_and_cubes_do_not_depend_on_threads(film, tmp_path, monkeypatch):
    digests = set()
    for cores in (1, 2, 7):
        monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
        path = tmp_path / "found.h5"
        with h5py.File(path, "w") as file:
            found = detections.detected(Brightness(3), film, SETTINGS)
            detections.write_boxes(file, film, found)
            frame, box = file["frame"][:], file["box"][:]
            assert 30 < len(frame) < 71  # the dark frames have none
            assert (np.diff(frame) == 1).all() and frame[-1] == 70
            cubes.write_cubes(file.create_group("cubes"), film, frame, box, 3, 16)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_digest_of_boxes_does_not_depend_on_the_batch(film, tmp_path):
    digests = set()
    for batch in (1, 2, 4):
        with h5py.File(tmp_path / "found.h5", "w") as file:
            found = detections.detected(Brightness(batch), film, SETTINGS)
            detections.write_boxes(file, film, found)
            hdf5.complete(file, DETECTIONS)
            digests.add(file.attrs["digest"])
    assert len(digests) == 1


def test_the_fastest_batch_is_found():
    pictures = [np.full((HEIGHT, WIDTH, 3), 200, np.uint8)] * 3
    # 20 ms for a pass and 1 ms for a picture, and from 16 pictures on 40 ms for each
    detector = Brightness(0, delay=lambda n: (0.02 + 0.001 * n) if n < 16 else 0.04 * n)
    assert detection.fastest_batch(detector, pictures, 64, **LIMITS) == 8
    assert max(detector.sizes) == 16, "went on beyond what was slower"


def test_measuring_the_batch_survives_the_end_of_memory(film):
    pictures = [np.full((HEIGHT, WIDTH, 3), 200, np.uint8)]
    detector = Brightness(0, room=4, delay=lambda n: 0.02)
    assert detection.fastest_batch(detector, pictures, 64, **LIMITS) == 4
    detector = Brightness(0, room=2, delay=lambda n: 0.02)
    found = list(detections.detected(detector, film, SETTINGS))
    assert detector.batch == 2
    assert sum(len(boxes) for _, boxes in found) > 30
    with pytest.raises(InputError, match="does not fit"):
        detection.fastest_batch(Brightness(0, room=0), pictures, 64, **LIMITS)


def test_memory_that_ends_within_a_thread_halves_the_batch_and_loses_nothing(film, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    whole, small = (
        list(detections.detected(Brightness(4, room), film, SETTINGS)) for room in (9, 1)
    )
    for (frame, boxes), (frame_, boxes_) in zip(whole, small, strict=True):
        assert (frame == frame_).all()
        assert (boxes.confidence == boxes_.confidence).all()


def test_pictures_decoded_by_a_device_are_those_of_the_cpu(film):
    data = [film.encoded(number) for number in range(5)]
    found = detections.decoded_jpegs(data, torch.device("cpu"))
    for number, picture in enumerate(found):
        assert picture.shape == (HEIGHT, WIDTH, 3) and picture.dtype == torch.uint8
        assert np.abs(picture.numpy().astype(int) - film[number]).max() <= 3


def test_a_gpu_decodes_jpeg_only_if_asked_and_the_cpu_what_it_cannot(film, monkeypatch):
    cuda, asked = torch.device("cuda"), []

    def refuses(data, where):
        asked.append(where)
        raise RuntimeError("nvJPEG cannot read this")

    monkeypatch.setattr(detections, "decoded_jpegs", refuses)
    data = [film.encoded(number) for number in (7, 8)]
    for switched, where in ((False, cuda), (True, torch.device("cpu")), (True, cuda)):
        found = detections.decoded(film, 7, data, where, Detect(gpu_decode=switched))
        assert all((a == film[n]).all() for n, a in zip((7, 8), found, strict=True))
    assert asked == [cuda]
    film.encoding = "png"
    detections.decoded(film, 7, data, cuda, Detect(gpu_decode=True))
    assert asked == [cuda]


def test_detect_takes_tensors_as_well(film):
    pictures = [film[60], film[70]]
    arrays = detection.detect(Brightness(2), pictures, **LIMITS)
    tensors = detection.detect(Brightness(2), [torch.from_numpy(p) for p in pictures], **LIMITS)
    assert all((a.box == b.box).all() for a, b in zip(arrays, tensors, strict=True))


def test_one_torch_thread_ends_with_the_block():
    before = torch.get_num_threads()
    with one_torch_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("storage", ["lzf", "gzip"])
def test_compressed_cubes_are_the_same_and_smaller(film, tmp_path, storage):
    frame = np.repeat(np.arange(71), 4).astype(np.int32)
    box = np.tile(np.array([[4, 4, 40, 30]], np.float32), (len(frame), 1))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in ("raw", storage):
            cubes.write_cubes(file.create_group(name), film, frame, box, 2, 32, name)
        raw, packed = file["raw"]["cubes"], file[storage]["cubes"]
        assert (raw[:] == packed[:]).all()
        assert packed.id.get_storage_size() < 0.9 * raw.id.get_storage_size()


@pytest.mark.parametrize("size", [16, 64])
def test_crops_by_opencv_are_those_of_roi_align(size):
    from torchvision.ops import roi_align

    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    low = rng.uniform(0, (100, 80), (60, 2))
    box = np.concatenate((low, low + rng.uniform(3, (60, 40), (60, 2))), 1).astype(np.float32)
    edges = [[0, 0, 160, 120], [0, 0, 9, 9], [150, 111, 160, 120], [20, 0, 148, 64]]
    box = np.concatenate((box, np.array(edges, np.float32)))
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    rois = torch.cat((torch.zeros(len(box), 1), torch.from_numpy(box)), 1)
    expected = roi_align(image, rois, size, sampling_ratio=-1, aligned=True).permute(0, 2, 3, 1)
    found = crops.warped(picture, box, size)
    assert np.abs(found - expected.numpy()).max() <= 0.51  # rounding, and no more
