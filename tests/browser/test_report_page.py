"""The report in a browser: drawn without an error or a network, and moved by clicks.

On a report of made results with videos, and on the demo's where it is there.
"""

from pathlib import Path

import pytest
from browsing import Opened
from demanded import give_up
from made_results import SECTIONS, TEST_CLIPS, arguments, write_videos

from ssmtl.reporting.pages import report

DEMO = Path(__file__).parents[2] / "results/demo/report.html"
LARGEST = 15_000_000  # bytes of the demo's report


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    options = arguments(tmp_path_factory.mktemp("made"))
    folder = options["output"].parent / "videos/all/seed0"
    report.write_report(**options | {"videos": [write_videos(folder)], "runs": options["runs"][:1]})
    return options["output"]


@pytest.fixture(params=["made", "demo"])
def path(request):
    if request.param == "made":
        return request.getfixturevalue("made")
    if not DEMO.exists():
        give_up("demo", "no report of the demo; `make demo` makes results/demo/report.html")
    return DEMO


def test_it_shows_everything_and_needs_no_network(browser, path):
    assert path.stat().st_size <= LARGEST
    with Opened(browser, path, viewport={"width": 1200, "height": 900}) as opened:
        page = opened.page
        opened.scroll_through()
        for name in SECTIONS:
            assert page.locator(f"#{name}").is_visible(), name
        assert page.evaluate("[...document.images].every(i => !i.complete || i.naturalWidth)")
        assert opened.errors == []
        assert opened.outside() == []


def test_a_click_on_the_timeline_moves_picture_and_video(browser, path):
    with Opened(browser, path, viewport={"width": 1200, "height": 900}) as opened:
        page = opened.page
        clip = page.locator("#timeline-1-1")
        clip.scroll_into_view_if_needed()
        area = clip.locator(".nsewdrag").first
        area.wait_for()
        frames = page.evaluate("data('timeline-1-1-data').frames")
        for share in (0.25, 0.7):
            before = clip.locator("img").get_attribute("src")
            box = area.bounding_box()
            place = (box["x"] + share * box["width"], box["y"] + box["height"] / 2)
            page.mouse.move(*place)
            page.mouse.click(*place)
            page.wait_for_function(
                "f => Math.abs(document.querySelector('#timeline-1-1').dataset.frame - f) <= 1",
                arg=share * frames - 0.5,
            )
            frame = int(clip.get_attribute("data-frame"))
            assert clip.locator("img").get_attribute("src") != before
            assert f"Frame {frame}, score" in clip.locator(".words").inner_text()
            # A box for every object of the picture that is shown.
            drawn = clip.locator(".boxes rect").count()
            shown = clip.evaluate("c => clips.get(c).objects(clips.get(c).still).length")
            assert shown == drawn
            if clip.locator("video").count():
                page.wait_for_function("() => !document.querySelector('.clip video').seeking")
                at = clip.locator("video").evaluate("v => v.currentTime")
                fps = clip.evaluate("c => clips.get(c).fps")
                assert int(at * fps) == frame
        assert opened.errors == []


def test_its_videos_play(browser, path):
    with Opened(browser, path, viewport={"width": 1200, "height": 900}) as opened:
        page = opened.page
        videos = page.locator(".clip:has(video)")
        if path != DEMO:
            assert videos.count() == len(TEST_CLIPS)
        for number in range(videos.count()):
            clip = videos.nth(number)
            clip.scroll_into_view_if_needed()
            clip.locator(".main-svg").first.wait_for()
            duration = clip.locator("video").evaluate(
                "v => new Promise((done, fail) => { v.onerror = () => fail(v.error.message);"
                " v.readyState ? done(v.duration) : v.onloadedmetadata = () => done(v.duration); })"
            )
            frames, fps = clip.evaluate("c => [clips.get(c).frames, clips.get(c).fps]")
            assert duration == pytest.approx(frames / fps, abs=0.5 / fps)
            if number == 0:
                clip.locator("video").evaluate("v => { v.currentTime = 0; return v.play(); }")
                page.wait_for_function(
                    "() => document.querySelector('.clip video').currentTime > 0.2"
                )
                # The picture and the cursor follow.
                page.wait_for_function("() => document.querySelector('.clip').dataset.frame > 2")
        assert opened.errors == []


def brightness(page, rule: str) -> float:
    """Of a colour of the page's body, 0 to 255."""
    colour = page.evaluate(f"getComputedStyle(document.body).{rule}")
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 3


def test_on_a_phone_in_the_dark(browser, path):
    window = {"viewport": {"width": 375, "height": 740}, "color_scheme": "dark", "has_touch": True}
    with Opened(browser, path, **window) as opened:
        page = opened.page
        opened.scroll_through()
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert brightness(page, "backgroundColor") < 60 and brightness(page, "color") > 180
        ink = "document.querySelector('#timeline-1-1 .plot').layout.font.color"
        dark = page.evaluate(ink)
        page.locator("#theme").click()
        assert brightness(page, "backgroundColor") > 200 and brightness(page, "color") < 80
        assert page.evaluate(ink) != dark
        assert opened.errors == []


def test_curves_and_tasks_can_be_switched(browser, made):
    with Opened(browser, made, viewport={"width": 1200, "height": 900}) as opened:
        page = opened.page
        page.locator("#timeline-1-1").scroll_into_view_if_needed()
        page.locator("#timeline-1-1 .main-svg").first.wait_for()
        visible = (
            "document.querySelector('#timeline-1-1 .plot').data"
            ".filter(t => t.visible).map(t => t.meta.curve + ' ' + t.meta.column)"
        )
        assert "smoothed combined" in page.evaluate(visible)
        page.locator("button[data-curve=raw]").click()
        page.locator("button[data-column=middle_box]").click()
        shown = page.evaluate(visible)
        assert "raw combined" in shown and "raw arrow_of_time" in shown
        assert not any("smoothed" in name or "middle_box" in name for name in shown)


def test_an_event_leads_to_its_clip(browser, made):
    with Opened(browser, made, viewport={"width": 1200, "height": 900}) as opened:
        page = opened.page
        button = page.locator(".event button").first
        button.click()
        clip = page.locator(f"#{button.get_attribute('data-clip')}")
        page.wait_for_timeout(300)
        assert clip.get_attribute("data-frame") == button.get_attribute("data-frame")
        assert clip.locator("video").is_visible()
