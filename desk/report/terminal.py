"""Printing within a width of our own choosing, on terminals and into files alike."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.segment import Segment, Segments

COLUMNS = 100


def width_of(console: Console, most: int = COLUMNS) -> int:
    """Columns to use: the terminal's, at most `most`; where there is no terminal, `most`, since its width is only guessed."""
    return min(console.width, most) if console.is_terminal else most


def print_within(console: Console, renderable: RenderableType, most: int = COLUMNS) -> None:
    """Print `renderable` at most `most` columns wide. Rich would cut it at 80 where it sees no terminal."""
    lines = console.render_lines(renderable, console.options.update(width=width_of(console, most)), pad=False)
    for line in lines:
        console.print(Segments([*_without_trailing_blanks(line), Segment.line()]), end="", soft_wrap=True)


def _without_trailing_blanks(line: list[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.strip() and not (kept[-1].style and kept[-1].style.bgcolor):
        kept.pop()
    if kept:
        last = kept[-1]
        kept[-1] = Segment(last.text.rstrip(), last.style, last.control)
    return kept
