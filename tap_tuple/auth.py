"""How a request says whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.authenticators import BearerTokenAuthenticator
from typing_extensions import override

if TYPE_CHECKING:
    import requests


class TupleAuthenticator(BearerTokenAuthenticator):
    """Sends a team's API token as `Authorization: Bearer sk-tuple-…`.

    Tokens do not expire; they are rotated or revoked by hand, and a team can hold several.
    Source: https://docs.tuple.app/team-management/usage-api-alpha
    """

    def __init__(self, token: str) -> None:
        super().__init__(token=token)

    @override
    def authenticate_request(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # The SDK's own writes the query anew, without empty parameters; a link's query is to stay as it came.
        request.headers.update(self.auth_headers)
        return request
