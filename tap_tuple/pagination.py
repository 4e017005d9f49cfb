"""How one page leads to the next: `Link` headers, followed on the API's own origin and path only."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlencode, urljoin, urlsplit

from singer_sdk.pagination import BaseAPIPaginator
from typing_extensions import override

from tap_tuple import instants, link_header
from tap_tuple.exceptions import InvalidLinkError

if TYPE_CHECKING:
    import requests

    from tap_tuple.window import Window

DEFAULT_PORTS = {"http": 80, "https": 443}


class LinkPaginator(BaseAPIPaginator[str]):
    """Walks the pages of one query; its value is the URL of the next request.

    The API links its pages after RFC 8288:

        Link: <https://app.tuple.app/api/v2/call_usage?since=…&page=2>; rel="next"

    A link is sent with its own query, but always to the endpoint that the user has set: whatever its
    host, the token goes nowhere else.

    Args:
        endpoint: The URL that is asked, without a query.
        window: The window that is asked for, and that no link may change.
        page_size: How many calls to ask for a page.
    """

    def __init__(self, endpoint: str, window: Window, page_size: int) -> None:
        self._endpoint = endpoint
        self._window = window
        self._query = {
            "since": instants.text(window.since),
            "until": instants.text(window.until),
            "per_page": str(page_size),
        }
        super().__init__(f"{endpoint}?{urlencode(self._query)}")
        self._visited = {self._identity([])}

    @override
    def continue_if_empty(self, response: requests.Response) -> bool:
        return True

    @override
    def get_next(self, response: requests.Response) -> str | None:
        """Finds the URL of the next page.

        Returns:
            The URL; None where the page has no link with `rel="next"`.

        Raises:
            InvalidLinkError: The link leads to another origin or path, out of the window, or to a page
                that was read before.
        """
        links = link_header.parse(response.headers.get("Link", ""))
        target = next((link.target for link in links if "next" in link.relations), None)
        return None if target is None else self._followed(target)

    def _followed(self, target: str) -> str:
        try:
            link = urlsplit(urljoin(f"{self._endpoint}?", target))
            own, place = self._is_own(link), _place(link)
        except ValueError:
            raise InvalidLinkError("The API's next link is not a URL. Check that api_url names Tuple's API.") from None
        if not own:
            raise InvalidLinkError(
                f"The API's next link leads to another place on {place} than {self._endpoint}; it is not "
                "followed. Set api_url to the API's present address."
            )
        sent = parse_qsl(link.query, keep_blank_values=True)
        self._refuse_other_window(sent)
        if (identity := self._identity(sent)) in self._visited:
            raise InvalidLinkError(
                f"The API's next links lead back to a page that was read before. Check that api_url, {self._endpoint}, "
                "names Tuple's API, and tell Tuple's support."
            )
        self._visited.add(identity)
        names = {name for name, _ in sent}
        missing = urlencode({name: value for name, value in self._query.items() if name not in names})
        return f"{self._endpoint}?{'&'.join(filter(None, (link.query, missing)))}"

    def _is_own(self, link: SplitResult) -> bool:
        # A server behind a proxy may write its links with `http`, or without its port. As all is sent to
        # the endpoint anyway, only a link that names another place is refused.
        own = urlsplit(self._endpoint)
        return (
            link.scheme in DEFAULT_PORTS
            and "@" not in link.netloc
            and link.hostname == own.hostname
            and link.port in {None, own.port or DEFAULT_PORTS[own.scheme]}
            and link.path.rstrip("/") == own.path.rstrip("/")
        )

    def _refuse_other_window(self, sent: list[tuple[str, str]]) -> None:
        for name, value in sent:
            if name in {"since", "until"} and _instant(value) != _instant(self._query[name]):
                raise InvalidLinkError(
                    f"The API's next link does not keep to {name}={self._query[name]}; it is not followed. Check "
                    "that api_url names Tuple's API, and tell Tuple's support."
                )

    def _identity(self, sent: list[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """What makes a page the same page: its query, where no `page` is `page=1`."""
        page = {"page": "1", **self._query, **dict(sent)}
        page["page"] = page["page"].lstrip("0") or "0"
        return frozenset((name, value) for name, value in page.items() if name not in {"since", "until"})


def _place(link: SplitResult) -> str:
    """Names the origin of a link; what else it holds, a log need not know."""
    port = f":{link.port}" if link.port else ""
    return f"{link.scheme}://{link.hostname or ''}{port}"


def _instant(value: str) -> object:
    try:
        # An offset's `+` that was not encoded reads as a space.
        return instants.parse(value.replace(" ", "+"))
    except ValueError:
        return value
