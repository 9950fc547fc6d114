"""`python -m desk.exchange --child SETTINGS`: the exchange as another program's child. By hand it is `desk exchange serve`.

It says where it listens in one JSON line, and leaves, its state saved, when its standard input ends. SETTINGS is the JSON that
`desk.exchange.child_settings.as_text` makes; keys come from the environment.
"""

from __future__ import annotations

import json
import logging
import sys
import threading

from desk.garbage import unsearched

with unsearched():
    from desk.domain.errors import DeskError, UsageError
    from desk.exchange.child_settings import from_text
    from desk.exchange.serve import Stop, build, environment, listen, serve, url_of


def main(argv: list[str]) -> int:
    """Serve until told to stop; the exit code is that of the error, 0 for none."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        if len(argv) != 2 or argv[0] != "--child":
            raise UsageError("python -m desk.exchange starts a child process; to serve by hand use `desk exchange serve`")
        config = from_text(argv[1], environment())
        exchange = build(config)
        listener = listen(config.port)
        stop = Stop(threading.Event())
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
        # The log is opened by `serve`, and may be refused: the address is told when nothing can go wrong any more.
        serve(exchange, listener, stop, on_ready=lambda: _say({"url": url_of(listener)}))
    except DeskError as error:
        _say({"error": str(error), "exit_code": error.exit_code})
        return error.exit_code
    return 0


def _stop_at_end_of_input(stop: Stop) -> None:
    sys.stdin.buffer.read()
    stop()


def _say(said: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
