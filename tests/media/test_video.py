"""What the frames of a video are: odd streams, damage, rates, turned pictures, all made here."""

import itertools
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from streams import write_lossless

from ssmtl.core.errors import InputError
from ssmtl.media import codec, video
from ssmtl.media.images import ImageClip
from ssmtl.media.video import Frame, Missing, Timeline, probe_video, video_frames

HEIGHT, WIDTH, FRAMES, GROUP = 48, 64, 60, 20


def pictures(count: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """A picture whose brightness tells its number, and a mark in the upper left corner."""
    found = []
    for number in range(count):
        picture = np.full((height, width, 3), 20 + 3 * number, np.uint8)
        picture[4 : height // 4, 4 : width // 4] = 255
        found.append(picture)
    return found


def number_of(picture: np.ndarray) -> int:
    return round((float(np.median(picture)) - 20) / 3)


def write(path: Path, images=None, times=None, container_format=None, **options) -> Path:
    """H.264 with a key frame every GROUP frames; times: seconds of each frame, else 25 a second."""
    images = pictures() if images is None else images
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"g": str(GROUP), "crf": "8", "sc_threshold": "0"} | options
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(images):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (times[number] if times else number / 25))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets(path: Path) -> list[tuple[int, int]]:
    """Place and size of the packets of a file."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size]


def read(path: Path) -> tuple[list[Frame], list[tuple[int, Missing]]]:
    """The frames, and where some are missing: the number of the frame behind the gap."""
    frames, gaps = [], []
    for item in video_frames(path):
        if isinstance(item, Missing):
            gaps.append((len(frames), item))
        else:
            frames.append(item)
    return frames, gaps


def assert_numbers(frames: list[Frame], numbers) -> None:
    found = [number_of(frame.picture) for frame in frames]
    assert np.abs(np.array(found) - list(numbers)).max() <= 1


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mts", ".flv", ".mov"])
def test_a_whole_file_has_all_frames_and_their_times(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}")
    frames, gaps = read(path)
    assert not gaps and probe_video(path) == (FRAMES, 25.0, WIDTH, HEIGHT)
    assert_numbers(frames, range(FRAMES))
    assert [frame.time for frame in frames] == pytest.approx(np.arange(FRAMES) / 25, abs=2e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_of_a_variable_rate_are_those_of_the_stamps(tmp_path, suffix):
    times = [n / 25 if n < 30 else 30 / 25 + (n - 30) / 5 for n in range(FRAMES)]
    path = write(tmp_path / f"a{suffix}", times=times)
    frames, gaps = read(path)
    assert not gaps, "another rate is no gap"
    assert [frame.time for frame in frames] == pytest.approx(times, abs=2e-3)
    assert probe_video(path).fps == pytest.approx((FRAMES - 1) / times[-1], rel=0.02)


def test_a_stream_that_begins_inside_a_group_of_pictures(tmp_path):
    whole = write(tmp_path / "whole.ts", bf="0").read_bytes()
    with av.open(str(tmp_path / "whole.ts")) as container:
        starts = [p.pos for p in container.demux(video=0) if p.size]
    path = tmp_path / "cut.ts"
    path.write_bytes(whole[: 188 * 2] + whole[starts[5] :])  # PAT, PMT, and what follows frame 5
    frames, gaps = read(path)
    assert not gaps and probe_video(path).frames == len(frames) == FRAMES - GROUP
    assert_numbers(frames, range(GROUP, FRAMES))
    assert frames[0].time == 0


@pytest.mark.parametrize(("frame", "suffix"), [(30, ".mp4"), (47, ".mkv"), (1, ".mp4")])
def test_one_damaged_packet_loses_one_frame(tmp_path, frame, suffix):
    path = write(tmp_path / f"a{suffix}", bf="0")
    data = bytearray(path.read_bytes())
    start, size = packets(path)[frame]
    start = data.index(bytes(data[start : start + size])) if suffix == ".mp4" else start
    with av.open(str(path)) as container:
        content = bytes(next(p for i, p in enumerate(container.demux(video=0)) if i == frame))
    start = data.index(content)
    data[start : start + 4] = b"\x7f\xff\xff\xff"  # the length of the unit in it
    path.write_bytes(data)
    frames, gaps = read(path)
    assert len(frames) == FRAMES - 1
    assert gaps == [(frame, Missing(1, "damaged data"))]
    assert frames[frame].time == pytest.approx((frame + 1) / 25, abs=2e-3)


@pytest.mark.parametrize("seed", range(6))
def test_no_frame_is_lost_in_silence(tmp_path, seed):
    """Pieces of a transport stream are overwritten or taken away."""
    rng = np.random.default_rng(seed)
    path = write(tmp_path / "a.ts", [p + rng.integers(0, 9, p.shape, np.uint8) for p in pictures()])
    data = bytearray(path.read_bytes())
    at = int(rng.integers(len(data) // 4, len(data) // 2)) // 188 * 188
    length = 188 * int(rng.integers(1, 40))
    if seed % 2:
        del data[at : at + length]
    else:
        data[at : at + length] = rng.integers(0, 256, length, np.uint8).tobytes()
    path.write_bytes(data)
    frames, gaps = read(path)
    assert gaps
    assert len(frames) + sum(gap.frames for _, gap in gaps) in (FRAMES, FRAMES - 1)


def test_a_dropped_cluster_of_a_matroska_file_is_a_gap(tmp_path):
    kept = [number for number in range(FRAMES) if number not in range(30, 35)]
    images = [pictures()[number] for number in kept]
    path = write(tmp_path / "a.mkv", images, times=[number / 25 for number in kept])
    frames, gaps = read(path)
    assert len(frames) == FRAMES - 5 and gaps == [(30, Missing(5, "a gap in the time stamps"))]


def test_packets_that_are_not_shown_do_not_count(tmp_path):
    """An edit list that begins at the second 0.8 of the media."""
    path = write(tmp_path / "a.mp4", bf="0")
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4
    assert data[at] == 0
    duration, start = struct.unpack(">II", data[at + 8 : at + 16])
    with av.open(str(path)) as container:
        ticks = container.streams.video[0].time_base.denominator
    start += round(0.8 * ticks)
    data[at + 8 : at + 16] = struct.pack(">II", round(duration * (1 - 0.8 / 2.4)), start)
    path.write_bytes(data)
    frames, gaps = read(path)
    assert not gaps and probe_video(path).frames == len(frames) == FRAMES - 20
    assert_numbers(frames, range(20, FRAMES))
    assert frames[0].time == 0


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
        ((0, -1, 1, 0), lambda p: np.rot90(p)),
        ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, 1), lambda p: p),
    ],
)
def test_pictures_are_turned_upright(tmp_path, matrix, turn):
    path = write(tmp_path / "a.mp4", pictures(6))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    at += 4 + (20 if data[at] == 0 else 32) + 16  # behind times, id, duration; layer, volume
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    frames, _ = read(path)
    expected = turn(pictures(1)[0])
    assert frames[0].picture.shape == expected.shape
    assert np.abs(frames[0].picture.astype(int) - expected).mean() < 4
    assert probe_video(path)[2:] == expected.shape[1::-1]
    if (matrix[1], matrix[2]) == (1, -1):  # as OpenCV shows it
        reader = cv2.VideoCapture(str(path))
        shown = cv2.cvtColor(reader.read()[1], cv2.COLOR_BGR2RGB)
        assert np.abs(shown.astype(int) - frames[0].picture).mean() < 4


def test_a_path_is_never_a_url(tmp_path):
    frames, _ = read(write(tmp_path / "a.mp4").rename(tmp_path / "12:30:05.mp4"))
    assert len(frames) == FRAMES


def test_a_file_opens_files_only(tmp_path):
    (tmp_path / "list.mp4").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(InputError, match=r"list\.mp4"):
        probe_video(tmp_path / "list.mp4")


def test_a_codec_that_nobody_knows(tmp_path):
    path = write(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(InputError, match="the codec of this video is not known; convert it"):
        probe_video(path)


def test_gigantic_pictures_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4")
    monkeypatch.setattr(video, "LARGEST", 1000)
    with pytest.raises(InputError, match="pictures of 64x48 pixels are larger"):
        probe_video(path)
    large = np.zeros((1, 1, 3), np.uint8)
    png = bytearray(codec.encode_png(large))
    png[16:24] = struct.pack(">II", 60000, 60000)
    import zlib

    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    with pytest.raises(InputError, match="larger than 134 million pixels"):
        codec.decode_image(bytes(png), "large.png")


def test_grey_video_of_16_bits_is_refused(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "gray16le"
        for _ in range(3):
            counts = np.full((HEIGHT, WIDTH), 7400, np.uint16)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(counts, format="gray16le")))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="16-bit grey pictures"):
        read(path)


# ---------------------------------------------------------------- time lines


def run(stamps, rate: float = 25) -> list:
    line = Timeline(1 / rate)
    picture = np.zeros((2, 2, 3), np.uint8)
    found = [item for stamp in stamps for item in line.placed(picture, stamp)]
    found += line.rest()
    return [item if isinstance(item, Missing) else item.time for item in found]


def test_a_time_line_without_stamps_uses_the_rate():
    assert run([None] * 4) == pytest.approx([0, 0.04, 0.08, 0.12])


def test_times_never_go_back():
    found = run([5.0, 5.04, 5.04, 5.02, 5.12, 1.0, 1.04])
    times = [item for item in found if not isinstance(item, Missing)]
    assert len(times) == 7 and (np.diff(times) > 0).all()
    assert Missing(0, "the time stamps start anew") in found


def test_jitter_of_a_phone_is_no_gap():
    rng = np.random.default_rng(0)
    stamps = np.cumsum(rng.choice([0.033, 0.033, 0.05, 0.067], 200))
    assert not any(isinstance(item, Missing) for item in run(stamps.tolist(), 22))


def test_a_long_pause_of_any_rate_is_a_gap():
    rng = np.random.default_rng(0)
    stamps = np.cumsum(rng.choice([0.033, 0.05, 0.067], 200))
    stamps[120:] += 8
    gaps = [item for item in run(stamps.tolist(), 20) if isinstance(item, Missing)]
    assert len(gaps) == 1 and gaps[0].why == "a gap in the time stamps"


# ---------------------------------------------------------------- folders of images


def test_16_bit_images_keep_their_range(tmp_path):
    rng = np.random.default_rng(0)
    counts = [rng.integers(7300, 8066, (HEIGHT, WIDTH), np.uint16) for _ in range(20)]
    for number, image in enumerate(counts):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), image)
    clip = ImageClip(tmp_path)
    low, high = clip.levels
    assert 7300 <= low < 7303 and 8062 < high <= 8065
    for index in (0, 7, 19):
        picture = clip.load(index)[1]
        expected = np.rint((counts[index].astype(float) - low) * 255 / (high - low)).clip(0, 255)
        assert np.abs(picture[..., 0] - expected).max() <= 1 and len(np.unique(picture)) > 200
    with pytest.raises(InputError, match="16 bits"):
        codec.decode_image((tmp_path / "003.png").read_bytes(), "003.png")


def test_masks_of_16_bits_are_not_lost():
    mask = np.zeros((HEIGHT, WIDTH), np.uint16)
    mask[3, 4] = 1
    data = cv2.imencode(".png", mask)[1].tobytes()
    assert np.argwhere(codec.decode_mask(data, "mask")).tolist() == [[3, 4]]


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_exif_turns_frames_upright(tmp_path, orientation, turn):
    picture = pictures(1)[0]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture).save(tmp_path / "000.jpg", quality=95, exif=exif)
    clip = ImageClip(tmp_path)
    assert clip.are_jpeg() == (orientation == 1)
    expected = np.rot90(picture, turn)
    found = clip.load(0)[1]
    assert found.shape == expected.shape and np.abs(found.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("share", [0.3, 0.6, 0.98])
def test_a_jpeg_that_is_cut_off_is_not_filled_up(tmp_path, share):
    picture = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    data = codec.encode_jpeg(picture, 90)
    (tmp_path / "000.jpg").write_bytes(data + b"\0" * 10)  # as some cameras pad
    ImageClip(tmp_path).load(0)
    (tmp_path / "000.jpg").write_bytes(data[: round(share * len(data))])
    with pytest.raises(InputError, match=r"000\.jpg: unreadable image"):
        ImageClip(tmp_path).load(0)


def test_a_packet_that_the_decoder_refuses_ends_a_video(tmp_path, monkeypatch):
    """Another error than that of damaged data, as spoilt Flash video has it."""
    pictures = [np.full((48, 64, 3), 10 * n, np.uint8) for n in range(12)]
    path = write_lossless(tmp_path / "a.mkv", pictures)
    known, packets = video.frames_of, itertools.count()

    def refused(packet):
        if next(packets) % 12 == 5:
            raise av.ArgumentError(22, "avcodec_send_packet() returned 22")
        return known(packet)

    monkeypatch.setattr(video, "frames_of", refused)
    items = list(video.video_frames(path))
    assert 1 <= sum(isinstance(item, video.Frame) for item in items) <= 5
    assert isinstance(items[-1], video.Missing)
    packets = itertools.count()
    assert 1 <= video.probe_video(path).frames <= 12
