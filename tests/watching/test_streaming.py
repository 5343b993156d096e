"""The parts of watching: threads, frame scores, polygons and live sources."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from streams import served, write_lossless

from ssmtl.core.errors import InputError
from ssmtl.core.threads import Prefetcher
from ssmtl.evaluation.anomaly_map import causal_weights, frame_scores, smooth
from ssmtl.evaluation.following import averaged, links
from ssmtl.evaluation.settings import Evaluate
from ssmtl.media import codec, polygons
from ssmtl.media.video import Thinned
from ssmtl.watching import sources
from ssmtl.watching.frame_scores import FrameScores
from ssmtl.watching.settings import Watch
from ssmtl.watching.stream import ended_early

EVALUATE = Evaluate(cell=2, filter_size=5, follow=0, sigma=1.5, border="zero")


@pytest.mark.parametrize("border", ["zero", "replicate"])
@pytest.mark.parametrize(("sigma", "filter_size"), [(1.5, 5), (0, 3), (4, 1)])
@pytest.mark.parametrize("follow", [0, 2])
@pytest.mark.parametrize("frames", [7, 8, 9, 40])
def test_frame_scores_of_a_stream_are_those_of_the_clip(border, sigma, filter_size, frames, follow):
    rng, radius, shape = np.random.default_rng(frames), 3, (30, 41)
    frame = np.sort(rng.integers(radius, frames - radius, 2 * frames))
    corner = rng.uniform(0, 25, (len(frame), 2))
    box = np.concatenate((corner, corner + rng.uniform(1, 12, corner.shape)), 1)
    score = rng.random(len(frame)).astype(np.float32)
    settings = {"cell": 2, "filter_size": filter_size}
    of_way = averaged(score, links(frame, box), follow)
    raw = frame_scores(frame, box, of_way, frames=frames, radius=radius, shape=shape, **settings)
    expected = smooth(raw, sigma, border, "causal")
    settings |= {"follow": follow, "sigma": sigma, "border": border}
    stream = FrameScores(shape, radius, Evaluate(**settings))
    found, known = [], []
    for number in range(frames):
        rows, whole = frame == number, radius <= number < frames - radius
        found += stream.add(box[rows], score[rows], whole)
        known.append(len(found))
    found += stream.end()
    assert np.allclose(np.array(found), np.stack((raw, expected), 1), atol=1e-6)
    # Nothing but the objects' way and the filter's half looks further ahead.
    half = filter_size // 2 + follow
    for number in range(radius + half, frames - radius):
        assert known[number] == number - half + 1


def test_a_stream_shorter_than_a_cube_has_no_scores():
    stream = FrameScores((8, 8), 3, EVALUATE)
    nothing = np.zeros((0, 4)), np.zeros(0, np.float32)
    assert not any(stream.add(*nothing, has_window=False) for _ in range(6))
    assert stream.end() == []


def test_causal_smoothing_does_not_look_ahead():
    scores = np.random.default_rng(0).random(60).astype(np.float32)
    changed = scores.copy()
    changed[40:] = 0
    for border in ("zero", "replicate"):
        one, other = (smooth(values, 3, border, "causal") for values in (scores, changed))
        assert (one[:40] == other[:40]).all() and (one[40:] != other[40:]).any()
    assert causal_weights(3).sum() == pytest.approx(1) and len(causal_weights(3)) == 13
    ones = np.ones(50, np.float32)
    assert np.allclose(smooth(ones, 3, "replicate", "causal"), 1)
    assert smooth(ones, 3, "zero", "causal")[0] == pytest.approx(causal_weights(3)[-1])


# ---------------------------------------------------------------- threads


def test_ahead_keeps_the_order_and_what_went_wrong():
    def items():
        yield from range(100)
        raise InputError("broken")

    found = []
    with Prefetcher(items(), 3) as ahead, pytest.raises(InputError, match="broken"):
        found.extend(ahead)
    assert found == [] or found == list(range(100))


def test_ahead_is_bounded_and_ends_with_its_use():
    taken, closed = [], threading.Event()

    def items():
        try:
            for number in range(1000):
                taken.append(number)
                yield number
        finally:
            closed.set()

    with Prefetcher(items(), 4) as ahead:
        assert next(ahead) == 0
        time.sleep(0.3)
        assert len(taken) <= 7
    assert closed.wait(2) and not ahead.thread.is_alive()


def test_ahead_drops_whole_stretches_where_nothing_may_wait():
    release = threading.Event()

    def items():
        yield from range(10)
        release.wait(5)
        yield from range(10, 12)

    with Prefetcher(items(), 4, overflow=lambda count: f"{count} lost") as ahead:
        time.sleep(0.2)  # it finds room for four
        first = [next(ahead) for _ in range(4)]
        release.set()
        assert first + list(ahead) == [0, 1, 2, 3, "6 lost", 10, 11]


def test_batches_are_full_unless_that_takes_too_long():
    with Prefetcher(range(10), 20) as ahead:
        assert list(ahead.batches(4, 5)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]

    def slow():
        for number in range(3):
            yield number
            time.sleep(0.2)

    with Prefetcher(slow(), 20) as ahead:
        assert [len(batch) for batch in ahead.batches(3, 0.05)] == [1, 1, 1]


# ---------------------------------------------------------------- polygons


def test_polygons_hold_centres():
    shape = polygons.parse("10,10 30,10 30,30 10,30; 50,0 60,0 55,10")
    box = np.array([[15, 15, 25, 25], [0, 0, 10, 10], [54, 1, 56, 5], [28, 28, 34, 34]])
    assert polygons.inside(box, shape).tolist() == [True, False, True, False]
    assert polygons.inside(box[:0], shape).tolist() == [] and polygons.parse(" ") == []
    for text in ("1,1 2,2", "a,b c,d e,f", "1 2 3"):
        with pytest.raises(InputError, match="no polygon"):
            polygons.parse(text)


def test_polygons_are_read_from_json(tmp_path):
    path = tmp_path / "gate.json"
    path.write_text("[[[0, 0], [10, 0], [5.5, 8]]]")
    assert polygons.read(str(path)) == "0,0 10,0 5.5,8"
    path.write_text("{")
    with pytest.raises(InputError, match=r"gate\.json: no readable polygons"):
        polygons.read(str(path))


# ---------------------------------------------------------------- live sources


SETTINGS = Watch(timeout=1.0, give_up=3.0)


@pytest.fixture(scope="module")
def pictures():
    ground = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    return [np.roll(ground, shift, 1) for shift in range(40)]


def received(url: str, stopped: threading.Event | None = None) -> list[list[sources.Frame]]:
    found = sources.segments(url, SETTINGS, stopped or threading.Event())
    return [list(segment.frames) for segment in found]


def assert_pictures(frames, expected) -> None:
    assert len(frames) == len(expected)
    for frame, picture in zip(frames, expected, strict=True):
        assert (frame.picture == picture).all()


def test_a_stalled_stream_is_connected_again(pictures, tmp_path, caplog):
    halves = pictures[:20], pictures[20:]
    bodies = [
        write_lossless(tmp_path / f"{number}.ts", half).read_bytes()
        for number, half in enumerate(halves)
    ]
    with served([{"body": bodies[0], "stall": 30}, {"body": bodies[1]}]) as url:
        start = time.time()
        segments = received(url)
    for frames, half in zip(segments, halves, strict=True):
        assert_pictures(frames, half)
    assert start <= segments[0][0].clock <= segments[1][-1].clock <= time.time()
    name = url.rpartition(":")[0]
    assert f"{name}: no picture for 1 s; connecting again" in caplog.text
    assert f"{name}: connected again after" in caplog.text


def test_what_cannot_be_opened_is_said():
    with served([]) as url, pytest.raises(InputError, match="cannot be opened: no connection"):
        received(url)
    with pytest.raises(InputError, match="no such file, folder or device"):
        received("/nowhere/at/all.mp4")


def test_a_damaged_file_is_watched_to_where_it_breaks(pictures, tmp_path):
    path = write_lossless(tmp_path / "film.ts", pictures)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (frames,) = received(str(path))
    assert 10 <= len(frames) < 40
    assert_pictures(frames[:-1], pictures[: len(frames) - 1])  # the last may be cut short


def test_stopping_ends_a_source(pictures, tmp_path):
    stopped = threading.Event()
    path = write_lossless(tmp_path / "film.mkv", pictures)
    segment = next(sources.segments(str(path), SETTINGS, stopped))
    frames = iter(segment.frames)
    next(frames)
    stopped.set()
    assert len(list(frames)) <= 1


def test_images_have_the_rate_that_is_given(pictures, tmp_path):
    for number, picture in enumerate(pictures[:3]):
        (tmp_path / f"{number}.png").write_bytes(codec.encode_png(picture))
    segment = next(
        sources.segments(
            str(tmp_path), SETTINGS.model_copy(update={"image_fps": 10.0}), threading.Event()
        )
    )
    frames = list(segment.frames)
    assert_pictures(frames, pictures[:3])
    assert [frame.time for frame in frames] == [0, 0.1, 0.2] and segment.total == 3


def test_what_waits_for_a_detector_is_done_at_the_end_and_dropped_on_stopping():
    for stop, done in ((False, 5), (True, 1)):
        stopped, go = threading.Event(), threading.Event()
        with ThreadPoolExecutor(1) as feeder:
            pool = ThreadPoolExecutor(1)
            with ended_early(pool, stopped):
                waiting = [pool.submit(go.wait, 30) for _ in range(5)]
                if stop:
                    stopped.set()
                    while not waiting[0].running():
                        time.sleep(0.001)
                # The end of the block waits for what is in work.
                feeder.submit(lambda go=go: (time.sleep(0.05), go.set()))
        assert sum(future.done() and not future.cancelled() for future in waiting) == done


@pytest.mark.parametrize(("rate", "total"), [(None, 75), (30, 75), (25, 75), (5, 15), (2, 6)])
def test_the_frames_used_of_a_source_are_counted(rate, total):
    segment = sources.Segment("a", 25, iter(()), total=75)
    assert segment.total_at(rate) == total
    thinned = Thinned(rate)
    assert sum(thinned.keeps(number / 25) for number in range(75)) == total
    assert sources.Segment("camera", 25, iter(())).total_at(rate) is None
