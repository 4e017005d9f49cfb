"""A next link determines the page to request, but neither the window nor the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from factories import a_call, minute
from requests import Response
from scheduled import ScheduledTap

from tap_tuple.api.pagination import LinkPaginator
from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from inprocess import InProcessTap
    from runners import Run

# Only calls that ended at the same instant make the tap follow links.
CALLS = [a_call(number, minute(1)) for number in range(1, 7)]
ALL = {1, 2, 3, 4, 5, 6}
CONFIG = {"start_date": "2026-03-01", "end_date": "2026-04-01", "page_size": 2}
SINCE, UNTIL = "since=2026-03-01T00%3A00%3A00.000Z", "until=2026-04-01T00%3A00%3A00.000Z"
WINDOW = {"since": "2026-03-01T00:00:00.000Z", "until": "2026-04-01T00:00:00.000Z"}


def link_fault(link: str) -> Fault:
    """Return a fault that replaces the link of the first response."""
    return Fault(link=link)


def run_tap(api: Sandbox) -> Run:
    return ScheduledTap(api, CONFIG).run()


class TestLinkQuery:
    @pytest.mark.parametrize(
        "link",
        [
            '<{origin}{path}?page=2&per_page=2>; rel="next"',
            '<call_usage?page=2>; rel="next"',
            "<?page=2>; rel=next",
            '<{origin}{path}/?page=2>; REL="last Next"',
            '<HTTP://127.0.0.1{path}?page=2>; rel="next"',
            '<{path}?page=1>; title="a, b; c"; rel="prev", <?page=2>; rel="next"',
            f'<?page=2&{SINCE}&{UNTIL}>; rel="next"',
            '<?page=2&since=2026-03-01T00:00:00%2B00:00>; rel="next"',
        ],
    )
    def test_a_next_link_is_followed_in_any_notation(self, link: str) -> None:
        with Sandbox(CALLS, faults=[link_fault(link)]) as api:
            run = run_tap(api)
            assert api.requests[1].query == {**api.requests[0].query, "page": "2"}
        assert run.ids() == sorted(ALL)

    def test_several_link_headers_are_combined(self) -> None:
        headers = {"Link": ['</api/v2/call_usage?page=1>; rel="prev"', '<?page=2>; rel="next"']}
        with Sandbox(CALLS, faults=[Fault(headers=headers)]) as api:
            run = run_tap(api)
            assert api.requests[1].query["page"] == "2"
        assert run.ids() == sorted(ALL)

    def test_a_parameter_without_a_value_reaches_the_api(self) -> None:
        with Sandbox(CALLS, faults=[Fault(headers={"Link": '<?page=2&cursor=>; rel="next"'})]) as api:
            run_tap(api)
            assert api.requests[1].query["cursor"] == ""

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("page=2", {"page": "2"}),
            ("page=2&per_page=1", {"page": "2", "per_page": "1"}),
            ("page=2&cursor=a%2Fb+c&empty=", {"page": "2", "cursor": "a/b c", "empty": ""}),
            ("since=2020-01-01&page=2", {"page": "2"}),
            ("until=now&since=&page=2", {"page": "2"}),
            ("page=2&page=3", {"page": "3"}),
            ("", {"page": "2"}),
        ],
    )
    def test_a_link_can_change_any_parameter_except_the_window(self, query: str, expected: dict[str, str]) -> None:
        paginator = LinkPaginator({**WINDOW, "per_page": "2"})
        response = Response()
        response.headers["Link"] = f'<https://app.tuple.app/api/v2/call_usage?{query}>; rel="next"'
        paginator.advance(response)
        following = paginator.by_number() if paginator.finished else paginator.current_value
        pairs = parse_qsl(following, keep_blank_values=True)
        assert dict(pairs) == {**WINDOW, "per_page": "2", **expected}
        assert len(dict(pairs)) == len(pairs), "a parameter is sent twice"


class TestLinkHost:
    @pytest.mark.parametrize(
        "target",
        [
            "{path}/other",
            "http://127.0.0.1:1{path}",
            "//example.com{path}",
            "https://example.com{path}",
            "http://someone:secret-word@127.0.0.1{path}",
            "ftp://example.com/",
            "javascript:alert(1)",
        ],
    )
    def test_the_host_of_a_link_is_ignored(
        self, target: str, tap: InProcessTap, settings: Callable[..., dict[str, Any]]
    ) -> None:
        with Sandbox(CALLS, faults=[link_fault(f"<{target}?page=2>; rel=next")]) as api:
            # A request to another host would arrive at the sandbox as its proxy.
            proxy = api.url.removesuffix("/api/v2")
            run = tap(settings(api, **CONFIG), env={"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1"})
            assert {request.path for request in api.requests} == {"/api/v2/call_usage"}
        assert run.exit_code == 0
        assert run.ids() == sorted(ALL)
        assert "secret-word" not in run.log

    def test_another_server_receives_no_request(self) -> None:
        headers: dict[str, str] = {}
        with Sandbox(CALLS) as other, Sandbox(CALLS, faults=[Fault(times=None, headers=headers)]) as api:
            headers["Link"] = f'<{other.url}/call_usage?page=2>; rel="next"'
            run_tap(api)
            assert other.requests == []
            assert len(api.requests) > 1

    @pytest.mark.parametrize("target", ["http://[broken?page=2", "file:///etc/passwd", ""])
    def test_a_target_without_a_valid_query_is_ignored(self, target: str) -> None:
        with Sandbox(CALLS, faults=[link_fault(f"<{target}>; rel=next")]) as api:
            tap = ScheduledTap(api, CONFIG)
            tap.green_run()
            assert tap.ids == ALL
