"""The state file: everything comes back as it was, and a file that is broken or of another exchange changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from desk.domain.errors import ConfigurationError
from desk.exchange import state
from desk.exchange.child_settings import as_text, from_text, variables
from desk.exchange.codec import decode, encode
from desk.exchange.config import AccountConfig, ExchangeConfig
from desk.exchange.machine.book import MEASURED_LATENCY, Book, Due, Holding, Timer
from desk.exchange.switches import Switches

NOW = datetime(2008, 9, 2, 14, 0, 0, 5, tzinfo=UTC)
SECOND = AccountConfig("key-two", "secret-two", cash_usd=5000.0, multiplier=1, options_level=0)
New = Callable[..., Any]


@pytest.fixture
def lived(new_client: New) -> Any:
    """A client of an exchange with two accounts, where something has happened in each way that the books know."""
    client = new_client(accounts=(SECOND,), latency=MEASURED_LATENCY, partial_fill_probability=1.0)
    client.to("2008-09-02T14:00:00Z")
    exits = {"take_profit": {"limit_price": "150"}, "stop_loss": {"stop_price": "95"}}
    client.send(order_class="bracket", **exits, client_order_id="bracket")
    client.send(type="trailing_stop", side="buy", trail_percent="5", qty="1", symbol="XYZ")
    resting = client.send(type="limit", limit_price="50", client_order_id="rests")[1]["id"]
    client.to("2008-09-02T14:05:00Z")
    client.http.delete(f"/v2/orders/{resting}")
    client.send(symbol="NOPE")
    client.http.post("/v2/watchlists", json={"name": "mine", "symbols": ["ABC"]})
    client.http.request("PATCH", "/v2/account/configurations", json={"no_shorting": True})
    other = {"APCA-API-KEY-ID": "key-two", "APCA-API-SECRET-KEY": "secret-two"}
    client.stranger(other).post(
        "/v2/orders", json={"symbol": "XYZ", "qty": "3", "side": "buy", "type": "market", "time_in_force": "day"}
    )
    client.to("2008-09-02T14:06:00Z")
    return client


def parts(client: Any) -> list[Any]:
    return [[getattr(account, name) for name in state.PARTS] for account in client.exchange.accounts.values()]


def test_everything_comes_back_as_it_was(lived: Any, new_client: New, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state.save(lived.exchange, path)
    again = new_client(accounts=(SECOND,), latency=MEASURED_LATENCY, partial_fill_probability=1.0)
    state.resume(again.exchange, path)
    assert again.exchange.now == lived.exchange.now
    assert parts(again) == parts(lived)
    assert [len(account.book.orders) for account in again.exchange.accounts.values()] == [5, 1]
    state.save(again.exchange, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    for client in (lived, again):
        client.to("2008-09-04T20:30:00Z")
    assert parts(again) == parts(lived)


def test_no_key_is_in_the_file(lived: Any, tmp_path: Path) -> None:
    state.save(lived.exchange, tmp_path / "state.json")
    text = (tmp_path / "state.json").read_text()
    assert not [word for word in ("key-for-tests", "secret-for-tests", "key-two", "secret-two") if word in text]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 6}, "it was saved with seed 5, this exchange has 6"),
        ({"cash_usd": 5.0}, "it was saved with accounts "),
        ({"accounts": (SECOND,)}, "it was saved with accounts "),
        ({"latency": MEASURED_LATENCY}, "it was saved with latency "),
        ({"switches": Switches(legacy_pdt=True)}, "it was saved with switches "),
        ({"with_fees": True}, "it was saved with with_fees False, this exchange has True"),
    ],
)
def test_a_state_of_another_exchange_is_refused(new_client: New, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "state.json"
    state.save(new_client().exchange, path)
    saved = path.read_bytes()
    other = new_client(**change)
    before = parts(other)
    with pytest.raises(ConfigurationError) as refused:
        state.resume(other.exchange, path)
    assert words in str(refused.value) and str(refused.value).endswith("; move it away to start afresh")
    assert (path.read_bytes(), parts(other)) == (saved, before)


def broken(document: dict[str, Any], *place: str | int, value: Any) -> bytes:
    inside: Any = document
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 1),
        (("now",), "yesterday"),
        (("now",), None),
        (("accounts",), []),
        (("accounts", 0, "book", "cash_usd"), "much"),
        (("accounts", 0, "book", "orders"), []),
        (("accounts", 0, "book", "minted"), "many"),
        (("accounts", 0, "ledger", "marks"), [{}]),
        (("accounts", 0, "settings"), None),
    ],
)
def test_a_broken_file_is_refused_and_nothing_is_lost(
    new_client: New, tmp_path: Path, place: tuple[Any, ...], value: Any
) -> None:
    path, client = tmp_path / "state.json", new_client()
    state.save(client.exchange, path)
    path.write_bytes(broken(json.loads(path.read_bytes()), *place, value=value))
    saved, before = path.read_bytes(), parts(client)
    with pytest.raises(ConfigurationError, match=r"state_file .*; move it away to start afresh"):
        state.resume(client.exchange, path)
    assert (path.read_bytes(), parts(client)) == (saved, before)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_state_is_refused(new_client: New, tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(text)
    with pytest.raises(ConfigurationError, match=r"state_file .*; move it away to start afresh"):
        state.resume(new_client().exchange, path)


def test_saving_replaces_the_file_as_a_whole(new_client: New, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("the old one")
    state.save(new_client().exchange, path)
    assert json.loads(path.read_bytes())["version"] == state.VERSION
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Decimal, Decimal("1.2300")),
        (datetime, NOW),
        (date, date(2008, 9, 2)),
        (timedelta, timedelta(days=1, microseconds=3)),
        (float, float("inf")),
        (Path | None, Path("a/b")),
        (dict[str, None], {"a": None}),
        (tuple[str, ...], ("a", "b")),
        (frozenset[str], frozenset({"b", "a"})),
        (list[Timer], [Timer(NOW, Due.CANCEL, "id")]),
        (dict[str, Holding], {"A": Holding(Decimal(1), Decimal("2.5"))}),
        (
            Book,
            Book(
                1,
                Decimal("0.10"),
                stuck_cancels={"x": None},
                stuck_legs={"y": None},
                forced_parts={"y": Decimal(2)},
                timers=[Timer(NOW, Due.REJECT, "z")],
            ),
        ),
    ],
)
def test_values_survive_as_json(kind: Any, value: Any) -> None:
    assert decode(kind, json.loads(json.dumps(encode(value)))) == value


def test_settings_reach_a_child_whole_and_without_keys() -> None:
    config = ExchangeConfig(
        "bundled",
        date(2008, 9, 2),
        seed=3,
        state_file=Path("s.json"),
        api_key="key-one",
        api_secret="secret-one",
        accounts=(SECOND,),
        speed=float("inf"),
        latency=MEASURED_LATENCY,
        switches=Switches(legacy_pdt=True),
        requests_per_minute=200,
        with_fees=True,
        has_sip=True,
        faults=Path("f.yaml"),
        hard_to_borrow=frozenset({"ABC", "XYZ"}),
    )
    text = as_text(config)
    assert not [word for word in ("key-one", "secret-one", "key-two", "secret-two") if word in text]
    names = (*variables(0), *variables(1))
    environment = dict(zip(names, ("key-one", "secret-one", "key-two", "secret-two"), strict=True))
    assert from_text(text, environment) == config
    assert {field.name for field in fields(ExchangeConfig)} == set(json.loads(text))
    with pytest.raises(ConfigurationError, match="LUMIDESK_EXCHANGE_SECRET_1: not set"):
        from_text(text, {**environment, names[3]: ""})
    with pytest.raises(ConfigurationError, match="settings of the child"):
        from_text("{}", environment)
    assert replace(config) == config
