"""Figures within a page: whatever is written in them, the page stays whole."""

import re
from html.parser import HTMLParser

import matplotlib
import pytest
from matplotlib.figure import Figure

from ssmtl.reporting import plots

HOSTILE = [
    '"><script>alert(1)</script>',
    "</svg></text><b>",
    '<g id="figure_1" href="#x" d="1.23456"> url(#clip) &amp; <!-- ]]>',
    f"viewBox='0 0 1 1' xlink:href {plots.INK} 0.123456",
]


class Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags, self.values, self.texts, self.depth = [], [], [], 0
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        self.depth += 1

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.values += [(tag, key, value) for key, value in attributes]

    def handle_endtag(self, tag):
        self.depth -= 1

    def handle_data(self, data):
        self.texts.append(data)

    def of(self, key: str) -> list[str]:
        return [value for _, own, value in self.values if own == key]


@matplotlib.rc_context(plots.STYLE)
def drawing(title: str) -> Figure:
    """A curve, markers that are used again, a picture, a hatch and a legend, below a title."""
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0, 1, 2.123456], [0, 1, 3], marker="o", label=title)
    axes.imshow([[0, 1], [2, 3]])
    axes.bar([0], [1], hatch="/")
    axes.legend(loc="upper left")
    axes.set_title(title)
    return figure


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_stay_texts(text):
    page = Page(plots.inline_svg(drawing(text), "one", text))
    plain = Page(plots.inline_svg(drawing("plain"), "one", "plain"))
    assert page.tags == plain.tags and page.depth == 0
    assert page.texts.count(text) == 2, "title and legend"
    assert page.of("aria-label") == [text]
    assert page.of("viewbox") == plain.of("viewbox")


def test_figures_of_a_page_share_no_id_and_find_their_own_parts():
    figures = [Page(plots.inline_svg(drawing("same"), name, "")) for name in ("one", "two")]
    ids = [figure.of("id") for figure in figures]
    assert ids[0] and len({*ids[0], *ids[1]}) == len(ids[0]) + len(ids[1])
    for figure, own in zip(figures, ids, strict=True):
        used = {href[1:] for href in figure.of("href") if href.startswith("#")}
        for _, _, value in figure.values:
            used |= {*re.findall(r"url\(#([^)]*)\)", value)}
        assert used and used <= set(own)
        assert not [value for tag, key, value in figure.values if (tag, key) == ("g", "id")]
        assert any(href.startswith("data:image/png;base64,") for href in figure.of("href"))


def test_a_figure_takes_the_page_s_colours_and_styles_nothing_else():
    html = plots.inline_svg(drawing("title"), "one", "About it")
    page = Page(html)
    assert html.startswith('<svg class="plot" role="img" aria-label="About it" viewBox="')
    assert "style" not in page.tags and "xmlns" not in html and "http" not in html
    assert plots.INK not in html and "currentColor" in html
    assert all(re.fullmatch(r"[^.]*(\.\d{1,2}(?!\d)[^.]*)*", path) for path in page.of("d"))
