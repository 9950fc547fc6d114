"""GET and PATCH /v2/account/configurations."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.exchange.account_settings import amended, settings_json
from desk.exchange.api.answers import answer, json_body
from desk.exchange.api.trading import account_of
from desk.exchange.rules.rejections import Rejection
from desk.exchange.venue import Exchange


class AccountRoutes:
    """What a person may set for an account."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        return [
            Route("/v2/account/configurations", self.settings, methods=["GET"]),
            Route("/v2/account/configurations", self.change, methods=["PATCH"]),
        ]

    async def settings(self, request: Request) -> Response:
        return answer(settings_json(account_of(request).settings, self._shows_legacy))

    async def change(self, request: Request) -> Response:
        account = account_of(request)
        settings = amended(account.settings, await json_body(request), self._shows_legacy)
        if isinstance(settings, Rejection):
            return answer(settings)
        account.settings = settings
        return answer(settings_json(settings, self._shows_legacy))

    @property
    def _shows_legacy(self) -> bool:
        return self.exchange.config.switches.legacy_pdt
