"""A reading that ends well has yielded every call that was there throughout, whatever moved meanwhile."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_tuple import instants
from tap_tuple.bookmark import Bookmark
from tap_tuple.calls import Call, Calls, Times
from tap_tuple.chain import Chain
from tap_tuple.completeness import read_completely
from tap_tuple.exceptions import IncompleteError
from tap_tuple.page import Page
from tap_tuple.pagination import LinkPaginator
from tap_tuple.reading import Reading
from tap_tuple.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_tuple.reading import Taken

ENDPOINT = "https://app.tuple.app/api/v2/call_usage"
NOON = datetime(2026, 3, 15, 12, tzinfo=timezone.utc)
WINDOW = Window(NOON - timedelta(hours=1), NOON + timedelta(hours=1))


@dataclass
class Model:
    """The API as a plain list: what it shows is what is there at the time of a request."""

    ends: dict[int, datetime]
    changes: list[Callable[[Model], None]] = field(default_factory=list)
    """What happens before each request in turn; after the last of them all is quiet."""
    shuffled: bool = False
    """Whether calls of one instant come in another order each time."""
    truncated: set[int] = field(default_factory=set)
    """The numbers of the requests whose answers lack their last calls."""
    rng: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - a model, no secret
    asked: list[str] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)

    def delete(self, count: int) -> None:
        for number in self.rng.sample(sorted(self.ends), min(count, len(self.ends))):
            del self.ends[number]
            self.deleted.add(number)

    def insert(self, count: int) -> None:
        for _ in range(count):
            number = 1000 + len(self.ends) + len(self.deleted) + len(self.asked)
            self.ends[number] = NOON + timedelta(milliseconds=self.rng.randrange(12))

    def ask(self, url: str) -> Callable[[], Page]:
        self.asked.append(url)
        if self.changes:
            self.changes.pop(0)(self)
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        since, until = instants.parse(query["since"]), instants.parse(query["until"])
        number, size = int(query.get("page", "1")), int(query["per_page"])
        ties = {call: self.rng.random() if self.shuffled else call for call in self.ends}
        shown = sorted((ended, ties[call], call) for call, ended in self.ends.items() if since <= ended < until)
        page = shown[(number - 1) * size : number * size]
        if len(self.asked) in self.truncated:
            page = page[: len(page) // 2]
        headers = {"X-Total-Count": str(len(shown))}
        if number * size < len(shown):
            headers["Link"] = f'<{ENDPOINT}?page={number + 1}&per_page={size}>; rel="next"'
        calls = Calls(
            [Call(id=call, ended_at=ended.isoformat()) for ended, _, call in page],
            [Times(ended_at=ended) for ended, _, _ in page],
        )
        response: Any = SimpleNamespace(headers=headers)
        answer = Page(calls, len(shown), response)
        return lambda: answer

    def open_chain(self, page_size: int) -> Callable[[datetime], Chain]:
        def opened(since: datetime) -> Chain:
            return Chain(LinkPaginator(ENDPOINT, Window(since, WINDOW.until), page_size), self.ask)

        return opened


@dataclass
class Outcome:
    """What came of a reading, and what its bookmark did meanwhile."""

    yielded: set[int]
    complete: bool
    warned: bool
    bookmark: datetime | None


class Ear(logging.Handler):
    """Hears warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


def outcome(model: Model, page_size: int) -> Outcome:
    """Reads the model to its end, and checks at each step that the bookmark passes nothing over."""
    there = dict(model.ends)
    ear = Ear()
    logger = logging.Logger("reading", logging.DEBUG)  # noqa: LOG001 - one of its own each time, for its ear alone
    logger.addHandler(ear)
    entry: dict[str, Any] = {}
    bookmark = Bookmark(entry, "ended_at")
    yielded: set[int] = set()
    reached: list[datetime] = []

    def take(taken: Taken) -> None:
        yielded.update(call.id for call in taken.calls.calls)
        if taken.position is not None:
            bookmark.advance(taken.position)
        if bookmark.instant is not None:
            reached.append(bookmark.instant)
            passed = {call for call, ended in there.items() if ended < bookmark.instant}
            # Pages that lack as many calls each look like those of an API that gives no more at once: only the total
            # tells, at the end.
            assert model.truncated or passed - model.deleted <= yielded, "the bookmark passes an unread call over"

    try:
        for taken in read_completely(WINDOW, model.open_chain(page_size), page_size, logger):
            take(taken)
        complete = True
    except IncompleteError:
        complete = False
    assert reached == sorted(reached), "the bookmark goes back"
    return Outcome(yielded, complete, bool(ear.heard), bookmark.instant)


# Few instants, so that many calls share one, in steps finer than the API's milliseconds.
CALLS = st.dictionaries(
    st.integers(1, 999), st.integers(0, 24).map(lambda step: NOON + timedelta(microseconds=500 * step)), max_size=30
)
# Between two requests calls either vanish or appear: as many of one as of the other no client can see.
CHANGE = st.one_of(
    st.just(lambda _: None),
    st.integers(1, 4).map(lambda count: lambda model: model.delete(count)),
    st.integers(1, 4).map(lambda count: lambda model: model.insert(count)),
)
PAGE_SIZES = st.sampled_from([1, 2, 3, 5, 10, 1000])
RANDOMS = st.integers(0, 2**16).map(random.Random)
THOROUGH = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@THOROUGH
@given(CALLS, PAGE_SIZES, RANDOMS, st.lists(CHANGE, max_size=25))
def test_a_reading_that_ends_has_yielded_every_call_that_was_there_throughout(
    calls: dict[int, datetime], page_size: int, rng: random.Random, changes: list[Callable[[Model], None]]
) -> None:
    model = Model(dict(calls), changes=list(changes), rng=rng)
    read = outcome(model, page_size)
    if read.complete:
        assert set(calls) - model.deleted <= read.yielded
        assert not read.warned


@THOROUGH
@given(CALLS, PAGE_SIZES, RANDOMS, st.lists(CHANGE, max_size=25))
def test_calls_of_one_instant_may_come_in_another_order_each_time(
    calls: dict[int, datetime], page_size: int, rng: random.Random, changes: list[Callable[[Model], None]]
) -> None:
    model = Model(dict(calls), changes=list(changes), rng=rng, shuffled=True)
    read = outcome(model, page_size)
    if read.complete and not read.warned:
        assert set(calls) - model.deleted <= read.yielded


@THOROUGH
@given(CALLS, PAGE_SIZES, st.sets(st.integers(1, 12), max_size=6))
def test_where_answers_lack_calls_a_reading_gets_them_or_warns_or_fails(
    calls: dict[int, datetime], page_size: int, truncated: set[int]
) -> None:
    model = Model(dict(calls), truncated=truncated)
    read = outcome(model, page_size)
    if read.complete and not read.warned:
        assert set(calls) <= read.yielded


@given(CALLS, PAGE_SIZES)
def test_where_nothing_moves_each_call_is_read_once_in_as_few_requests_as_there_are_pages(
    calls: dict[int, datetime], page_size: int
) -> None:
    model = Model(dict(calls))
    read = outcome(model, page_size)
    assert read.complete
    assert read.yielded == set(calls)
    assert len(model.asked) == max(1, -(-len(calls) // page_size))
    assert read.bookmark == (instants.floor(max(calls.values())) if calls else None)


@given(st.integers(1, 400), st.integers(1, 5), st.sampled_from([7, 50]))
def test_a_reading_remembers_no_more_than_the_calls_of_its_newest_instant(
    count: int, tied: int, page_size: int
) -> None:
    ends = {number: NOON + timedelta(milliseconds=number // tied) for number in range(count)}
    reading = Reading(WINDOW, Model(ends).open_chain(page_size), page_size, logging.getLogger("reading"))
    for _ in reading.pages():
        assert len(reading.point.ids) <= tied


# ---------------------------------------------------------------- bookmarks

ZONES = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
)
INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc)).map(instants.floor)  # noqa: DTZ001 - their zone is the strategy's


@st.composite
def written(draw: st.DrawFn, instant: datetime) -> str:
    """An instant in any of the ways in which ISO 8601 writes it."""
    local = instant.astimezone(draw(ZONES))
    text = draw(
        st.sampled_from(
            [
                local.isoformat(),
                local.isoformat(timespec="microseconds"),
                local.isoformat(sep=" "),
                instants.text(instant),
                instant.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                instant.replace(tzinfo=None).isoformat(),
            ]
        )
    )
    return str(text)


@given(st.data(), INSTANTS, INSTANTS)
def test_bookmarks_compare_as_instants_whatever_their_format(
    data: st.DataObject, present: datetime, reached: datetime
) -> None:
    entry = {"replication_key_value": data.draw(written(present))}
    bookmark = Bookmark(entry, "ended_at")
    assert bookmark.instant == present
    bookmark.advance(reached)
    assert bookmark.instant == max(present, reached)
    assert entry == {"replication_key": "ended_at", "replication_key_value": instants.text(max(present, reached))}


@given(st.data(), INSTANTS)
def test_an_instant_is_read_as_it_was_written_in_any_format(data: st.DataObject, instant: datetime) -> None:
    assert instants.parse(data.draw(written(instant))) == instant


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-03-15T14:30:01Z", "2026-03-15T14:30:01.438Z"),
        ("2026-03-15T16:30:00+02:00", "2026-03-15T14:30:00.001Z"),
        ("2026-03-15", "2026-03-15T00:00:00.001Z"),
        ("2026-03-15 14:30:00", "2026-03-15T15:30:01+01:00"),
    ],
)
def test_bookmarks_that_compare_wrongly_as_texts_compare_as_instants(earlier: str, later: str) -> None:
    for present, reached in ((earlier, later), (later, earlier)):
        bookmark = Bookmark({"replication_key_value": present}, "ended_at")
        bookmark.advance(instants.parse(reached))
        assert bookmark.instant == instants.parse(later)
