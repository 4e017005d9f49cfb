"""Pagination by `Link` headers, as RFC 8288 defines them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import requests
from singer_sdk.pagination import BaseAPIPaginator
from typing_extensions import override

from tap_tuple.api.calls import Calls, Page
from tap_tuple.timestamps import Window

MAX_PAGES_BEYOND_LINKS = 2
"""Number of pages in a row without a new call that end a query, if only the total indicates that there are more."""
# RFC 8288, section 3: Link = #link-value; link-value = "<" URI-Reference ">" *( OWS ";" OWS [ link-param ] )
TARGET = re.compile(r"\s*<([^>]*)>")
# A link-param is a token, alone or with a value; the value is a token or a quoted string (RFC 9110, 5.6.4).
# A malformed value ends at the next `;` or `,`, and an unterminated string at the end of the header (appendix B).
PARAMETER = re.compile(r'\s*;\s*(?:([^\s=;,"<>]+)(?:\s*=\s*("(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^;,]*))?)?', re.DOTALL)
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)', re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class LinkPaginator(BaseAPIPaginator[str]):
    """Walks the pages of one query. Its value is the query string of the next request.

    The API links to the next page in a header:

        Link: <https://app.tuple.app/api/v2/call_usage?since=…&page=2>; rel="next"

    Only the link's query is used. Requests always go to the configured endpoint, whatever host a link names, so the
    token goes nowhere else. A link cannot change `since` or `until`.

    Args:
        parameters: The parameters of the first page.
    """

    def __init__(self, parameters: Mapping[str, str]) -> None:
        super().__init__(urlencode(parameters))
        self._parameters = dict(parameters)
        self._fixed = {name: parameters[name] for name in ("since", "until") if name in parameters}

    @override
    def get_next(self, response: requests.Response) -> str | None:
        """Return the query string of the next page, or None if the response has no usable link with `rel="next"`."""
        links = parse_links(response.headers.get("Link", ""))
        target = next((link.target for link in links if "next" in link.relations), None)
        if target is None:
            return None
        try:
            linked = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        except ValueError:
            return None
        query = urlencode({**self._parameters, **linked, **self._fixed})
        # A link to the same page would never end.
        return None if query == self.current_value else query

    def by_number(self) -> str:
        """Return the query string of the next page for a response without a link: `page` is the number of the page."""
        return urlencode({**self._parameters, "page": str(self.count + 1)})


class Query:
    """One query, from its first page along the pages that follow.

    Args:
        window: The window of the query.
        page_size: How many calls to request per page.
        seen: Calls in the window that have already been received: when each of these ids ended.
        received: How many calls have already been received in all.
        skipped: The previous query, if it had a link that was not followed.
    """

    def __init__(
        self,
        window: Window,
        page_size: int,
        seen: dict[int, datetime] | None = None,
        received: int = 0,
        skipped: Query | None = None,
    ) -> None:
        self.window = window
        self.newest = window.since
        self.in_order = True
        self.received = self._received_at_start = received
        self._received_before = received - len(seen or {})
        self._returned = 0
        self._total: int | None = None
        self.shifted: bool | None = False  # None if it is not known
        self._seen = seen or {}
        self._skipped = skipped
        self.seen_pages = len(self._seen) // page_size
        self._page_size = page_size
        self._paginator = LinkPaginator({**window.parameters, "per_page": str(page_size)})

    def __str__(self) -> str:
        # Without what a link adds: an error message must not contain anything that the API made up.
        return unquote(urlencode({**self.window.parameters, "page": self._paginator.count + 1}))

    @property
    def next_page(self) -> str:
        """The query string of the next page."""
        return self._paginator.by_number() if self._paginator.finished else self._paginator.current_value

    @property
    def is_linked(self) -> bool:
        """Whether the last page had a link to the next one."""
        return not self._paginator.finished

    @property
    def on_first_page(self) -> bool:
        """Whether the next page is the first one."""
        return self._paginator.count == 0

    def receive(self, page: Page) -> Calls:
        """Return the new calls of a page, sorted by `ended_at`, and advance to the next page."""
        previous, self._total = self._total, self._total if page.total is None else page.total
        # If calls of the pages before have been deleted, others have moved there, unseen. Only the total shows it.
        self.shifted = None if page.total is None and previous else (self._total or 0) < (previous or 0)
        calls = page.calls.in_time_order()
        if len(calls):
            continues = self.on_first_page or calls.ended_at[0] >= self.newest
            self.in_order = self.in_order and page.calls.in_order and continues
            self.newest = max(self.newest, calls.ended_at[-1])
        self._paginator.advance(page.response)
        self._returned += len(calls)
        calls = calls[sum(1 for _ in takewhile(self._seen.__contains__, calls.ids)) :]
        since, until = self.window
        is_inside = not len(calls) or (since <= calls.ended_at[0] and calls.ended_at[-1] < until)
        if not (is_inside and self._seen.keys().isdisjoint(calls.ids)):
            ended_at, ids = calls.ended_at, calls.ids
            calls = calls.pick([n for n, at in enumerate(ended_at) if since <= at < until and ids[n] not in self._seen])
        self._seen.update(zip(calls.ids, calls.ended_at, strict=True))
        self._skipped = None if len(calls) else self._skipped
        self.received += len(calls)
        return calls

    @property
    def estimate(self) -> int | None:
        """Number of calls in the window, by the newest total; None if no page of the query has had one."""
        return None if self._total is None else self._received_before + self._total

    def following(self, page: Page, by_time: Query, *, pages_without_calls: int) -> Query | None:
        """Return the query whose next page follows a page; None at the end of the window.

        Args:
            page: The last page.
            by_time: The query that continues from the newest call.
            pages_without_calls: How many pages in a row, up to this one, had no new calls.
        """
        if self.shifted:
            return by_time
        expects_more = len(page.calls) >= self._page_size if page.total is None else self._returned < page.total
        if not self.is_linked and not expects_more:
            # Calls may have moved, unseen: read again, as long as that returns new ones.
            if self.shifted is None and self.received > self._received_at_start:
                return by_time
            # If the total does not confirm it, the link that was not followed shows whether there is more.
            skipped = self._skipped if pages_without_calls else None
            return None if skipped and self.estimate is not None and self.estimate == skipped.estimate else skipped
        if not self.is_linked and pages_without_calls >= MAX_PAGES_BEYOND_LINKS:
            return None
        page_length = len(page.calls) if self.is_linked else self._page_size
        if self.in_order and by_time.window.since > self.window.since and len(by_time._seen) < page_length:
            return by_time
        # An empty page may be a fault that passes. If the page is empty again, the link leads past it.
        return by_time if not len(page.calls) and pages_without_calls % 2 else self

    def continue_from(self, since: datetime) -> Query:
        """Return a query for the rest of the window, from an instant on."""
        window = Window(since, self.window.until)
        seen = {call_id: ended_at for call_id, ended_at in self._seen.items() if ended_at >= since}
        return Query(window, self._page_size, seen, self.received, self if self.is_linked else None)


class Link(NamedTuple):
    """One link of a header: its target, and its relation types in lower case."""

    target: str
    relations: frozenset[str]


def parse_links(header: str) -> Iterator[Link]:
    """Parse a `Link` header.

    Args:
        header: For example `<https://example.com/?page=2>; rel="next", </?page=9>; rel=last`. Several headers are
            one, joined by commas (RFC 9110, 5.3).

    Yields:
        The links in their order. A malformed link is skipped, and so is a link with an `anchor`, which describes
        another page than the one it came with (RFC 8288, 3.2).
    """
    position = 0
    while position < len(header):
        if not (target := TARGET.match(header, position)):
            position = header.find(",", position) + 1
            if not position:
                return
            continue
        position = target.end()
        parameters: dict[str, str] = {}
        while parameter := PARAMETER.match(header, position):
            position = parameter.end()
            if parameter[1]:
                # Of several parameters with the same name, the first counts (RFC 8288, 3.3).
                parameters.setdefault(parameter[1].lower(), _unquoted(parameter[2] or ""))
        if "anchor" not in parameters:
            yield Link(target[1].strip(), frozenset(parameters.get("rel", "").lower().split()))


def _unquoted(value: str) -> str:
    quoted = QUOTED.match(value)
    return ESCAPED.sub(r"\1", quoted[1]) if quoted else value.strip()
