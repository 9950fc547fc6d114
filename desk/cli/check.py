"""`desk check STRATEGY`: try to refute a strategy's backtest, and say PASS, INCONCLUSIVE, SUSPECT or BIASED."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from desk.cli.compare import ConfigOption, DataOption, EndOption, JsonOption, PageOption, StartOption, day
from desk.cli.tables import console, print_json
from desk.domain.errors import Refused
from desk.settings.load import load_settings


def check(
    strategy: Annotated[str, typer.Argument(help="A name that `desk strategies` lists.")],
    data: DataOption = None,
    start: StartOption = None,
    end: EndOption = None,
    config: ConfigOption = None,
    trials: Annotated[int, typer.Option(min=0, help="Versions that you tried before; the deflated Sharpe ratio needs it.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Begins every chance: the same seed, the same answer.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="The last two years and fewer worlds: about a minute.")] = False,
    as_json: JsonOption = False,
    page: PageOption = None,
) -> None:
    """Try to refute a strategy's backtest: foresight, dependence on its start, profit where there is none, luck.

    Exit code 0: it ran and says its verdict, PASS, INCONCLUSIVE or SUSPECT. 5: BIASED, refused.
    """
    # Here and not at the top: they load Lumibot, which the other commands need not wait for.
    from desk.research.asked import Asked, answered, as_object, lines
    from desk.research.page import write_page
    from desk.research.verdict import Verdict, reasons

    settings = load_settings(config=config)
    dates = day(start, "--start"), day(end, "--end")
    asked = Asked(strategy, data, *dates, quick, trials, seed, is_chosen="universe.exchange" in settings.sources)
    with Console(file=sys.stderr).status(f"checking {strategy}") as status:
        done = answered(asked, settings.behaviour, lambda name: status.update(f"checking {strategy}: {name}"))
    if as_json:
        print_json(as_object(done))
    else:
        _print(list(lines(done)))
    if page is not None:
        write_page(done, page)
    if done.verdict is Verdict.BIASED:
        raise Refused(f"{strategy} is biased: {reasons(done.findings)[0]}")


def _print(said: list[str]) -> None:
    out = console()
    out.print(Text(said[0], style="bold"))
    for line in said[1:]:
        out.print(Text(line), soft_wrap=True)
