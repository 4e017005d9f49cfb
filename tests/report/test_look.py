"""The page in a real browser: complete, self-contained and readable."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from databases import call, write_database
from report import Page, build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

WIDTHS = (400, 1400)
SCHEMES = ("light", "dark")
SMALLEST_LABEL_PX = 8
# WCAG 2.2: 1.4.3 is the contrast of text, 1.4.11 that of graphics.
TEXT_CONTRAST = 4.5
MARK_CONTRAST = 3

# The contents of each chart: box and colour of each mark; box, size, colour and text of each label.
READ_CHARTS = """() => Object.fromEntries([...document.querySelectorAll(".chart")].map((chart) => {
  const box = (element) => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    return { left, top, right, bottom, width: right - left, height: bottom - top };
  };
  const marks = [...chart.querySelectorAll(".mark-rect.role-mark path")].map(
    (mark) => ({ ...box(mark), fill: getComputedStyle(mark).fill }));
  const labels = [...chart.querySelectorAll("text")].filter((text) => text.textContent).map((text) => ({
    ...box(text), text: text.textContent, fill: getComputedStyle(text).fill,
    size: parseFloat(getComputedStyle(text).fontSize), opacity: getComputedStyle(text).opacity }));
  return [chart.id, { ...box(chart), marks, labels: labels.filter((label) => label.opacity !== "0") }];
}))"""

# The colours of all text outside the charts.
TEXT_COLOURS = """() => [...new Set([...document.querySelectorAll("h1, h2, p, dt, dd, li")].map(
  (element) => getComputedStyle(element).color))]"""

WIDEST_DRAWING = """() => Math.max(
  ...[...document.querySelectorAll(".chart svg")].map((svg) => svg.getBoundingClientRect().width))"""

BACKGROUND = "() => getComputedStyle(document.body).backgroundColor"


class RecordedTab:
    """A tab that records its console messages and requests."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.console_messages: list[str] = []
        self.requests: list[str] = []
        tab.on("console", lambda message: self.console_messages.append(message.text))
        tab.on("pageerror", lambda error: self.console_messages.append(str(error)))
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("websocket", lambda socket: self.requests.append(socket.url))

    def open(self, page: Page) -> dict[str, Any]:
        self.tab.goto(page.path.as_uri())
        return self.read_charts()

    def read_charts(self) -> dict[str, Any]:
        self.tab.wait_for_selector("html[data-drawn='5']", timeout=20_000)
        charts: dict[str, Any] = self.tab.evaluate(READ_CHARTS)
        return charts


@pytest.fixture
def recorded_tab(browser: Browser, request: pytest.FixtureRequest) -> Iterator[RecordedTab]:
    view: tuple[int, Any] = getattr(request, "param", (1400, "light"))
    width, scheme = view
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    yield RecordedTab(tab)
    tab.close()


every_view = pytest.mark.parametrize(
    "recorded_tab",
    [(width, scheme) for width in WIDTHS for scheme in SCHEMES],
    indirect=True,
    ids=[f"{width}-{scheme}" for width in WIDTHS for scheme in SCHEMES],
)


@every_view
def test_every_chart_draws_all_rows_without_console_output_or_requests(page: Page, recorded_tab: RecordedTab) -> None:
    charts = recorded_tab.open(page)
    assert {name: len(chart["marks"]) for name, chart in charts.items()} == {
        name: len(page.rows(name)) for name in page.charts
    }
    assert len(charts) == 5
    for chart in charts.values():
        assert all(mark["width"] >= 2 for mark in chart["marks"])
        assert sum(mark["height"] >= 2 for mark in chart["marks"]) >= 3
    assert recorded_tab.console_messages == []
    assert recorded_tab.requests == [page.path.as_uri()]


@every_view
def test_the_page_fits_the_window_and_no_labels_overlap(page: Page, recorded_tab: RecordedTab) -> None:
    charts = recorded_tab.open(page)
    viewport = recorded_tab.tab.viewport_size
    assert viewport
    width = viewport["width"]
    assert recorded_tab.tab.evaluate("document.documentElement.scrollWidth") == width
    for chart in charts.values():
        for label in chart["labels"]:
            assert 0 <= label["left"] < label["right"] <= width, label
            assert chart["top"] - 2 <= label["top"] < label["bottom"] <= chart["bottom"] + 2, label
            assert label["size"] >= SMALLEST_LABEL_PX, label
        for place, one in enumerate(chart["labels"]):
            for other in chart["labels"][place + 1 :]:
                assert not _overlap(one, other), (one, other)


@every_view
def test_the_matrix_names_every_person_on_both_axes(page: Page, recorded_tab: RecordedTab) -> None:
    labels = [label["text"] for label in recorded_tab.open(page)["who_with_whom"]["labels"]]
    assert sorted(labels) == sorted(page.matrix_order() * 2)


@every_view
def test_text_and_bars_have_enough_contrast(page: Page, recorded_tab: RecordedTab) -> None:
    charts = recorded_tab.open(page)
    background = recorded_tab.tab.evaluate(BACKGROUND)
    colours = set(recorded_tab.tab.evaluate(TEXT_COLOURS))
    colours |= {label["fill"] for chart in charts.values() for label in chart["labels"]}
    assert min(_contrast(colour, background) for colour in colours) >= TEXT_CONTRAST
    for name in ("length_of_calls", "size_of_calls"):
        assert {_contrast(mark["fill"], background) >= MARK_CONTRAST for mark in charts[name]["marks"]} == {True}


@every_view
def test_each_step_of_the_matrix_has_its_own_colour(page: Page, recorded_tab: RecordedTab) -> None:
    marks = recorded_tab.open(page)["who_with_whom"]["marks"]
    steps = {row["step"] for row in page.rows("who_with_whom")}
    assert len({mark["fill"] for mark in marks}) == len(steps) >= 4


def test_an_open_page_follows_the_colour_scheme_of_the_system(page: Page, recorded_tab: RecordedTab) -> None:
    light = recorded_tab.open(page)["size_of_calls"]["marks"][0]["fill"], recorded_tab.tab.evaluate(BACKGROUND)
    recorded_tab.tab.emulate_media(color_scheme="dark")
    dark = recorded_tab.read_charts()["size_of_calls"]["marks"][0]["fill"], recorded_tab.tab.evaluate(BACKGROUND)
    assert _luminance(light[1]) > 0.9
    assert _luminance(dark[1]) < 0.05
    assert light[0] != dark[0]


def test_a_printed_page_is_dark_on_white(page: Page, recorded_tab: RecordedTab) -> None:
    recorded_tab.tab.emulate_media(color_scheme="dark", media="print")
    recorded_tab.open(page)
    assert _luminance(recorded_tab.tab.evaluate(BACKGROUND)) > 0.9


def test_the_page_is_redrawn_when_the_window_becomes_narrow(page: Page, recorded_tab: RecordedTab) -> None:
    recorded_tab.open(page)
    recorded_tab.tab.set_viewport_size({"width": 400, "height": 900})
    # Playwright's own way to wait for a condition needs `eval`, which the page forbids.
    deadline = time.monotonic() + 20
    while recorded_tab.tab.evaluate(WIDEST_DRAWING) >= 400:
        assert time.monotonic() < deadline
        recorded_tab.tab.wait_for_timeout(20)
    cells = recorded_tab.read_charts()["who_with_whom"]["marks"]
    assert max(cell["right"] for cell in cells) <= 400
    assert all(abs(cell["width"] - cell["height"]) < 3 for cell in cells)
    assert recorded_tab.console_messages == []


def test_a_tooltip_describes_what_the_mouse_points_to(page: Page, recorded_tab: RecordedTab) -> None:
    recorded_tab.open(page)
    recorded_tab.tab.locator("#who_with_whom .mark-rect.role-mark path").first.hover()
    tooltip = recorded_tab.tab.locator("#tooltip")
    tooltip.wait_for(state="visible")
    first, second = page.matrix_order()[:2]
    assert tooltip.inner_text().startswith(f"{first} and {second}: ")
    recorded_tab.tab.locator("h1").hover()
    tooltip.wait_for(state="hidden")


def test_markup_in_an_address_is_shown_as_text(recorded_tab: RecordedTab, tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=console.log(1)>@evil.test"
    page = build(
        write_database(tmp_path / "evil.duckdb", [call(1, "2026-06-01 09:00", 30, "a@b.test", evil, "c@d.test")])
    )
    labels = [label["text"] for label in recorded_tab.open(page)["who_with_whom"]["labels"]]
    assert any(label.startswith("</script><img") for label in labels)
    assert recorded_tab.console_messages == []
    assert recorded_tab.requests == [page.path.as_uri()]


def test_a_single_short_call_is_drawn(recorded_tab: RecordedTab, tmp_path: Path) -> None:
    page = build(write_database(tmp_path / "one.duckdb", [call(1, "2026-06-01 09:00", 5, "a@b.test", "c@d.test")]))
    charts = recorded_tab.open(page)
    assert len(charts["who_with_whom"]["marks"]) == 2
    assert len(charts["hours_of_the_week"]["marks"]) == 1
    assert recorded_tab.console_messages == []


def _overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    """Return whether two boxes overlap by more than two pixels, as the box of a label is higher than its letters."""
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return across > 2 and down > 2


def _contrast(one: str, other: str) -> float:
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Return WCAG's relative luminance of a colour such as `rgb(47, 102, 168)`."""
    channels = [int(channel) / 255 for channel in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
