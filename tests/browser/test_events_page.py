"""The page of a camera's events in a browser: whole, readable by everybody, and by itself."""

import numpy as np
import pytest
from browsing import Opened

from ssmtl.watching.events import Meaning, Recorder
from ssmtl.watching.likeness import Objects
from ssmtl.watching.page import PAGE
from ssmtl.watching.settings import Watch
from ssmtl.watching.stream import ScoredFrame

SETTINGS = Watch(before=1.0, after=1.0)
TASKS = ("arrow_of_time", "motion_irregularity", "middle_box", "distillation")
EVENTS = 3


def frame(number: int, rng: np.random.Generator) -> ScoredFrame:
    picture = rng.integers(60, 110, (180, 320, 3), np.uint8)
    picture[60:120, number % 200 : number % 200 + 40] = (200, 40, 40)
    box = np.array([[number % 200, 60, number % 200 + 40, 120]], np.float32)
    tasks = {name: np.array([0.3 + 0.1 * i], np.float32) for i, name in enumerate(TASKS)}
    one = np.array([1])
    objects = Objects(rng.integers(0, 255, (1, 7, 64, 64, 3), np.uint8), {})
    return ScoredFrame(number, picture, True, box, tasks, np.float32([0.9]), one, one, objects)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("gate"), np.random.default_rng(0)
    quantiles = {name: np.linspace(0, 0.6, 1001) for name in TASKS}
    meaning = Meaning(("person", "bicycle"), quantiles, lambda cube: cube[0])
    recorder = Recorder(folder, 0.5, SETTINGS, 5, meaning, name="the gate")
    recorder.begin("rtsp://10.0.0.7", 25)
    for number in range(60 * EVENTS - 20):  # the last one goes on
        score = 0.8 if number % 60 > 30 else 0.1
        recorder.add(frame(number, rng), number, score, number / 25, 1.7e9 + number / 25)
    return folder / PAGE


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_it_is_whole_and_keeps_nobody_out(browser, page, colours, width):
    window = {"viewport": {"width": width, "height": 900}, "color_scheme": colours}
    with Opened(browser, page, **window) as opened:
        cards = opened.page.locator(".event")
        assert cards.count() == EVENTS
        for number in range(EVENTS):
            cards.nth(number).scroll_into_view_if_needed()
        opened.page.wait_for_function("[...document.images].every(i => i.complete)")
        assert opened.page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
        assert "going on" in cards.first.inner_text() and "a bicycle" in cards.first.inner_text()
        own = page.parent.as_uri()
        assert any(url.endswith("event_0001.jpg") for url in opened.requests)
        assert opened.outside(f"{own}/snapshots/") == [] and opened.errors == []
        wide = opened.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, "the page is wider than the window"
        assert opened.barriers() == []


def test_links_lead_to_clips_and_the_table(browser, page):
    with Opened(browser, page) as opened:
        links = opened.page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert "events.csv" in links and "clips/event_0001.mp4" in links
    assert all((page.parent / link).is_file() for link in links)
