"""Typer with one habit more: at Ctrl-C a command says what was kept and how to go on."""

import functools
from collections.abc import Callable
from typing import Any

import typer

CHECKPOINT = "Whole steps are kept, if there was one; the same command with --resume goes on from the last."
THE_REST = "What was finished is kept; the same command goes on with the rest."
# By the name of the command's function; where it depends on how far a command came, ``console.on_stop`` says it.
STOPPED = {
    "train": CHECKPOINT,
    "train_sisr": CHECKPOINT,
    "reproduce": CHECKPOINT,
    "affinity_study": THE_REST,
    "grade": THE_REST,
    "fetch": THE_REST,
    "build": "Finished notebooks are kept; name the others to build them.",
}
NOTHING_KEPT = "Nothing was left half-written; the same command begins anew."


class App(typer.Typer):
    """A Typer whose commands end at Ctrl-C with one true sentence and exit code 130."""

    def command(  # type: ignore[override]
        self, *arguments: Any, **options: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a command; see ``typer.Typer.command``."""
        register = super().command(*arguments, **options)

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def stoppable(*args: Any, **kwargs: Any) -> Any:
                try:
                    return function(*args, **kwargs)
                except KeyboardInterrupt as interrupt:
                    kept = str(interrupt) or STOPPED.get(function.__name__, NOTHING_KEPT)
                    typer.echo(f"\nStopped. {kept}", err=True)
                    raise typer.Exit(130) from None

            register(stoppable)
            return function

        return decorate
