"""The tap follows the API's links to the end of the data, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from conftest import a_call
from requests import Response

from tap_tuple import instants
from tap_tuple.exceptions import InvalidLinkError
from tap_tuple.pagination import LinkPaginator
from tap_tuple.sandbox import Fault, Sandbox
from tap_tuple.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import TapRunner

CALLS = [a_call(number, f"2024-03-0{number}T10:00:00.000Z") for number in range(1, 7)]
ALL = [1, 2, 3, 4, 5, 6]
WINDOW = {"start_date": "2024-03-01", "end_date": "2024-04-01", "page_size": 2}
SINCE, UNTIL = "since=2024-03-01T00%3A00%3A00.000Z", "until=2024-04-01T00%3A00%3A00.000Z"
FIRST = f"{SINCE}&{UNTIL}&per_page=2"
SECOND = f"{SINCE}&{UNTIL}&page=2&per_page=2"
THIRD = f"{SINCE}&{UNTIL}&page=3&per_page=2"


def received(api: Sandbox) -> list[str]:
    """The queries that the server received, as they stood in the request line."""
    for request in api.requests:
        assert request.path == "/api/v2/call_usage"
        names = [name for name, _ in parse_qsl(request.raw_target.partition("?")[2])]
        assert len(names) == len(set(names)), f"sent twice: {request.raw_target}"
    return [request.raw_target.partition("?")[2] for request in api.requests]


def test_pages_are_followed_to_the_last_with_the_links_own_queries(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, **WINDOW))
        assert received(api) == [FIRST, SECOND, THIRD]
    assert run.exit_code == 0
    assert run.ids() == ALL


@pytest.mark.parametrize(
    ("link", "second"),
    [
        (f'<{{origin}}{{path}}?{SECOND}>; rel="next"', SECOND),
        (f'<call_usage?{SECOND}>; rel="next"', SECOND),
        (f"<?{SECOND}>; rel=next", SECOND),
        (f'<{{origin}}{{path}}/?{SECOND}>; REL="last Next"', SECOND),
        (f'<HTTP://127.0.0.1{{path}}?{SECOND}>; rel="next"', SECOND),
        (f'<{{path}}?page=1>; title="a, b; c"; rel="prev", <?{SECOND}>; rel="next"', SECOND),
        (f'<?{SECOND}&cursor=a%2Fb+c%E9&b=&a>; rel="next"', f"{SECOND}&cursor=a%2Fb+c%E9&b=&a"),
        ('<?page=2>; rel="next"', f"page=2&{FIRST}"),
        (f'<?page=2&{UNTIL}>; rel="next"', f"page=2&{UNTIL}&{SINCE}&per_page=2"),
    ],
)
def test_a_next_link_is_followed_however_it_is_written(
    tap: TapRunner, settings: Callable[..., Any], link: str, second: str
) -> None:
    with Sandbox(CALLS, faults=[Fault(page=1, link=link)]) as api:
        run = tap(settings(api, **WINDOW))
        assert received(api) == [FIRST, second, THIRD]
    assert run.exit_code == 0, run.log
    assert run.ids() == ALL


@pytest.mark.parametrize(
    "window",
    [
        "since=2024-03-01T00:00:00%2B00:00&until=2024-03-31T22:00:00-02:00",
        "since=2024-03-01T02:00:00+02:00&until=2024-04-01T00:00:00+00:00",
    ],
)
def test_a_link_that_names_the_same_window_in_other_words_is_followed(
    tap: TapRunner, settings: Callable[..., Any], window: str
) -> None:
    # The server must not read `+` for a space, as ours would: it answers the second page as it should be.
    link = f'<?page=2&per_page=2&{window}>; rel="next"'
    with Sandbox(CALLS, faults=[Fault(page=1, link=link), Fault(on=2, run=_as_if_encoded)]) as api:
        run = tap(settings(api, **WINDOW))
        assert received(api)[1] == f"page=2&per_page=2&{window}"
    assert run.exit_code == 0, run.log
    assert run.ids() == ALL


def _as_if_encoded(api: Sandbox) -> None:
    query = api.requests[-1].query
    query.update((name, value.replace(" ", "+")) for name, value in query.items())


def test_several_link_headers_are_read_as_one(tap: TapRunner, settings: Callable[..., Any]) -> None:
    headers = {"Link": ['</api/v2/call_usage?page=1>; rel="prev"', f'<?{SECOND}>; rel="next"']}
    with Sandbox(CALLS, faults=[Fault(page=1, headers=headers)]) as api:
        run = tap(settings(api, **WINDOW))
        assert received(api) == [FIRST, SECOND, THIRD]
    assert run.ids() == ALL


def test_letter_case_in_the_host_makes_no_other_origin(tap: TapRunner, settings: Callable[..., Any]) -> None:
    headers: dict[str, str] = {}
    with Sandbox(CALLS, faults=[Fault(page=1, headers=headers)]) as api:
        port = urlsplit(api.url).port
        headers["Link"] = f'<http://LocalHost:{port}/api/v2/call_usage?{SECOND}>; rel="next"'
        run = tap(settings(api, **WINDOW) | {"api_url": f"http://localhost:{port}/api/v2/"})
        assert received(api) == [FIRST, SECOND, THIRD]
    assert run.exit_code == 0, run.log
    assert run.ids() == ALL


def test_an_empty_page_with_a_next_link_is_not_the_end(tap: TapRunner, settings: Callable[..., Any]) -> None:
    empty = Fault(on=1, body=b"[]", link="<?{query}&again=1>; rel=next")
    with Sandbox(CALLS, faults=[empty]) as api:
        run = tap(settings(api, **WINDOW))
        # A page that was shorter than the next one may make the tap look again; that is not the matter here.
        assert received(api)[:2] == [FIRST, f"{FIRST}&again=1"]
    assert run.exit_code == 0, run.log
    assert sorted(set(run.ids())) == ALL


@pytest.mark.parametrize(
    ("link", "named"),
    [
        (f"<{{path}}/other?{SECOND}>", "another place on http://127.0.0.1:"),
        (f"<http://127.0.0.1:1{{path}}?{SECOND}>", "another place on http://127.0.0.1:1 "),
        (f"<//example.com{{path}}?{SECOND}>", "example.com"),
        (f"<http://someone:secret-word@127.0.0.1{{path}}?{SECOND}>", "another place on http://127.0.0.1 "),
        ("<file:///etc/passwd>", "another place on file:// "),
        ("<http://[broken>", "not a URL"),
    ],
)
def test_a_link_to_another_place_is_refused_before_a_request_is_sent(
    tap: TapRunner, settings: Callable[..., Any], link: str, named: str
) -> None:
    with Sandbox(CALLS, faults=[Fault(page=1, link=f'{link}; rel="next"')]) as api:
        # Were a request to leave this machine, it would come to the sandbox as its proxy.
        proxy = api.url.removesuffix("/api/v2")
        run = tap(settings(api, **WINDOW), env={"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1"})
        assert [request.raw_target for request in api.requests] == [f"/api/v2/call_usage?{FIRST}"]
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert named in run.errors[0]
    assert "api_url" in run.errors[0]
    assert "secret-word" not in run.log
    assert "Traceback" not in run.log
    assert run.ids() == [1, 2], "the page with the link is good"
    assert run.bookmark() == "2024-03-02T10:00:00.000Z"


def test_another_server_sees_neither_the_token_nor_a_request(tap: TapRunner, settings: Callable[..., Any]) -> None:
    headers: dict[str, str] = {}
    with Sandbox(CALLS) as other, Sandbox(CALLS, faults=[Fault(page=1, headers=headers)]) as api:
        headers["Link"] = f'<{other.url}/call_usage?{SECOND}>; rel="next"'
        run = tap(settings(api, **WINDOW))
        assert received(api) == [FIRST]
        assert other.requests == []
    assert run.exit_code == 1
    assert other.url.removesuffix("/api/v2") in run.errors[0]


@pytest.mark.parametrize(
    ("changed", "name", "value"),
    [
        (f"since=2024-03-01T00:00:00.001Z&{UNTIL}&page=2", "since", "2024-03-01T00:00:00.001Z"),
        (f"{SINCE}&until=2024-04-01T00:00:00%2B02:00&page=2", "until", "2024-04-01T00:00:00+02:00"),
        (f"{SINCE}&until=now&page=2", "until", "now"),
        (f"{SINCE}&since=2020-01-01T00:00:00Z&page=2", "since", "2020-01-01T00:00:00Z"),
    ],
)
def test_a_link_that_changes_the_window_is_refused(
    tap: TapRunner, settings: Callable[..., Any], changed: str, name: str, value: str
) -> None:
    with Sandbox(CALLS, faults=[Fault(page=1, link=f'<?{changed}>; rel="next"')]) as api:
        run = tap(settings(api, **WINDOW))
        assert received(api) == [FIRST]
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert f"does not keep to {name}=" in run.errors[0]
    assert value not in run.errors[0]
    assert run.bookmark() == "2024-03-02T10:00:00.000Z"


@pytest.mark.parametrize(
    ("page", "link", "requests"),
    [
        (1, f"<?{FIRST}&page=1>", 1),
        (1, "<?page=01>", 1),
        (1, "<?per_page=2&page=1&until=2024-04-01&since=2024-03-01>", 1),
        (3, f"<?{SECOND}>", 3),
        (2, "<?page=2>", 2),
    ],
)
def test_a_link_back_to_a_page_that_was_read_is_refused(
    tap: TapRunner, settings: Callable[..., Any], page: int, link: str, requests: int
) -> None:
    with Sandbox(CALLS, faults=[Fault(page=page, link=f"{link}; rel=next", times=None)]) as api:
        run = tap(settings(api, **WINDOW), timeout_seconds=20)
        assert received(api) == [FIRST, SECOND, THIRD][:requests]
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert "lead back to a page that was read before" in run.errors[0]


def following(endpoint: str, target: str) -> str | None:
    """Where a paginator goes from a page whose next link is `target`."""
    paginator = LinkPaginator(endpoint, Window(instants.EPOCH, instants.parse("2024-04-01")), 2)
    response = Response()
    response.headers["Link"] = f'<{target}>; rel="next"'
    try:
        paginator.advance(response)
    except InvalidLinkError:
        return "refused"
    return None if paginator.finished else urlsplit(paginator.current_value)._replace(query="").geturl()


@pytest.mark.parametrize(
    ("target", "followed"),
    [
        ("https://app.tuple.app/api/v2/call_usage?page=2", True),
        ("https://app.tuple.app:443/api/v2/call_usage?page=2", True),
        ("https://APP.Tuple.app/api/v2/call_usage?page=2", True),
        ("http://app.tuple.app/api/v2/call_usage?page=2", True),
        ("http://app.tuple.app:443/api/v2/call_usage?page=2", True),
        ("//app.tuple.app/api/v2/call_usage?page=2", True),
        ("/api/v2/call_usage/?page=2", True),
        ("?page=2", True),
        ("https://app.tuple.app:8443/api/v2/call_usage?page=2", False),
        ("https://production.tuple.app/api/v2/call_usage?page=2", False),
        ("https://tuple.app/api/v2/call_usage?page=2", False),
        ("https://app.tuple.app.example.com/api/v2/call_usage?page=2", False),
        ("https://app.tuple.app@example.com/api/v2/call_usage?page=2", False),
        (r"https://example.com\@app.tuple.app/api/v2/call_usage?page=2", False),
        ("https://app.tuple.app/api/v2/call_usage%2F..?page=2", False),
        ("https://app.tuple.app/API/v2/call_usage?page=2", False),
        ("javascript:alert(1)?page=2", False),
        ("ftp://app.tuple.app/api/v2/call_usage?page=2", False),
        ("https://app.tuple.app:port/api/v2/call_usage?page=2", False),
        ("https://app.tuple.app:99999/api/v2/call_usage?page=2", False),
        ("/?page=2", False),
        ("", False),
        ("?since=&page=2", False),
        ("?since=1970-01-01&until=2024-04-01T00:00:00.000000Z&page=2", True),
    ],
)
def test_with_https_a_link_is_followed_on_the_own_origin_and_always_by_https(target: str, *, followed: bool) -> None:
    endpoint = "https://app.tuple.app/api/v2/call_usage"
    assert following(endpoint, target) == (endpoint if followed else "refused")


def test_a_default_port_in_api_url_is_the_same_origin_without_it() -> None:
    endpoint = "https://app.tuple.app:443/api/v2/call_usage"
    assert following(endpoint, "https://app.tuple.app/api/v2/call_usage?page=2") == endpoint
    assert following("http://[::1]/api/v2/call_usage", "http://[::1]:80/api/v2/call_usage?page=2") != "refused"
