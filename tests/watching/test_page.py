"""The page of events: what it shows, and that it is kept up to date."""

import re

import numpy as np
from test_events import MEANING, SETTINGS, frame, lines, play

from ssmtl.media import codec
from ssmtl.watching.events import Meaning, Recorder
from ssmtl.watching.likeness import Objects
from ssmtl.watching.page import PAGE, SHOWN, write_page


def seen(number: int):
    """A frame whose strongest object has a cube of its own."""
    objects = Objects(np.full((1, 5, 16, 16, 3), number, np.uint8), {})
    plain = frame(number, (120, 480), 0.95 if number == 33 else 0.6)
    return type(plain)(**{**vars(plain), "objects": objects})


def test_a_card_is_there_from_the_begin_and_whole_at_the_end(tmp_path):
    predict = lambda cube: np.full((16, 16, 3), 200, np.uint8)  # noqa: E731
    meaning = Meaning(MEANING.classes, MEANING.quantiles, predict)
    recorder = Recorder(tmp_path, 0.5, SETTINGS, 5, meaning, name="the <gate>")
    assert "No event yet" in (tmp_path / PAGE).read_text()
    recorder.begin("gate", 25)
    for number in range(100):
        recorder.add(seen(number), number, 0.8 if 30 <= number < 40 else 0.1, number / 25, None)
        if number == 32:
            page = (tmp_path / PAGE).read_text()
            assert "going on" in page and 'src="snapshots/event_0001.jpg"' in page
    recorder.finish()
    page = (tmp_path / PAGE).read_text()
    assert "the &lt;gate&gt;" in page and "going on" not in page
    assert "a bicycle, changing unexpectedly" in page and "middle box" in page and "0.950" in page
    (line,) = lines(tmp_path)
    for key in ("snapshot", "crops", "middle", "clip"):
        assert line[key] in page and (tmp_path / line[key]).is_file()
    assert line["normal"] == {"middle_box": [0.25, 0.495]}
    crops = codec.decode_image((tmp_path / line["crops"]).read_bytes(), "crops")
    middle = codec.decode_image((tmp_path / line["middle"]).read_bytes(), "middle")
    assert crops.shape == (16, 80, 3) and abs(int(crops.mean()) - 33) <= 1, "of the culprit's frame"
    for place, value in enumerate((33, 200, 167)):  # seen, predicted, difference
        assert abs(int(middle[:, 16 * place + 4 : 16 * place + 12].mean()) - value) <= 4
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_pictures_that_are_no_longer_kept_are_not_shown(tmp_path):
    play(Recorder(tmp_path, 0.5, SETTINGS, 1, MEANING), np.arange(100) / 25, range(30, 40))
    (line,) = lines(tmp_path)
    (tmp_path / line["clip"]).unlink()
    (tmp_path / line["snapshot"]).unlink()
    write_page(tmp_path, "gate", [line], 1)
    page = (tmp_path / PAGE).read_text()
    assert "No clip is kept" in page and "<img" not in page


def test_many_events_do_not_make_a_large_page(tmp_path):
    play(Recorder(tmp_path, 0.5, SETTINGS, 1, MEANING), np.arange(100) / 25, range(30, 40))
    text = (tmp_path / "events.jsonl").read_text()
    (tmp_path / "events.jsonl").write_text(
        "".join(text.replace('"event": 1,', f'"event": {n},') for n in range(1, 501))
    )
    play(Recorder(tmp_path, 0.5, SETTINGS, 1, MEANING), np.arange(100) / 25, range(30, 40))
    page = (tmp_path / PAGE).read_text()
    assert page.count('<li class="event') == SHOWN and "501 events, the newest 200" in page
    shown = [int(n) for n in re.findall(r'id="event-(\d+)"', page)]
    assert shown == list(range(501, 301, -1))
