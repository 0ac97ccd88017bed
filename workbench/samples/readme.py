"""How ``data/README.md`` says what is true of the sample history.

It holds what :func:`text_of` renders between two markers, and a test compares the
two, so that the README cannot say anything else than the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workbench.samples.facts import Facts

BEGIN: Final = "<!-- facts: begin -->"
END: Final = "<!-- facts: end -->"


def text_of(facts: Facts) -> str:
    """Return the facts as the Markdown that ``data/README.md`` holds.

    Parameters
    ----------
    facts
        What is true of the file.

    Returns
    -------
    str
        Without the markers.
    """
    parts = [_text_of_life(facts), _text_of_flaws(facts), _text_of_kinds(facts)]
    return "\n\n".join("\n".join(part) for part in parts)


def with_facts(readme: str, facts: Facts) -> str:
    """Return a README with the facts put between its two markers.

    Parameters
    ----------
    readme
        Its text.
    facts
        What is true of the file.

    Returns
    -------
    str
        The new text.

    Raises
    ------
    ValueError
        If the two markers are not there.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        message = (
            f"asked to put facts into a README, found no {BEGIN} and {END} in it; "
            "add the two lines where the facts go"
        )
        raise ValueError(message)
    return f"{before}{begin}\n{text_of(facts)}\n{end}{after}"


def _text_of_life(facts: Facts) -> list[str]:
    summary = (
        f"{facts.events:,} events in {facts.streams:,} streams, of "
        f"{len(facts.kinds)} types, positions 1 to {facts.head}, from "
        f"{facts.first_time:%Y-%m-%d %H:%M} to {facts.last_time:%Y-%m-%d %H:%M} (UTC)."
    )
    return [
        summary,
        "",
        "| release | deployed (UTC) | first position | last position | events |",
        "| --- | --- | ---: | ---: | ---: |",
        *(
            f"| {period.name} | {period.since:%Y-%m-%d %H:%M} | {period.first} "
            f"| {period.last} | {period.events:,} |"
            for period in facts.periods
        ),
    ]


def _text_of_flaws(facts: Facts) -> list[str]:
    flaws = [
        ("1. charged twice", _charged_twice(facts)),
        ("2. refunds of no payment", _unknown_payments(facts)),
        ("3. time runs backwards", _backwards(facts)),
        ("4. holes", _holes(facts)),
        ("5. undecodable", _undecodable(facts)),
    ]
    return [
        "| flaw | what is in the file |",
        "| --- | --- |",
        *(f"| {flaw} | {text} |" for flaw, text in flaws),
    ]


def _charged_twice(facts: Facts) -> str:
    twice = facts.charged_twice
    return (
        f"{twice.payments} payments have two `Payment.Charged`. The second ones lie "
        f"at positions {twice.first} to {twice.last} and sum to {twice.overcharged} "
        f"EUR. {twice.refunded} have been refunded since; {twice.owed} EUR are owed."
    )


def _unknown_payments(facts: Facts) -> str:
    refunds = [
        f"{position} (`{stream}` of `{payment}`)"
        for position, stream, payment in facts.unknown_payments
    ]
    return f"{len(refunds)} `Refund.Issued`, at positions {', '.join(refunds)}."


def _backwards(facts: Facts) -> str:
    time = facts.backwards
    streams = ", ".join(f"`{stream}`" for stream in time.streams)
    return (
        f"{time.late} events at positions {time.first} to {time.last} are earlier "
        f"than some event before them. At {time.drops} positions time is earlier "
        f"than at the position before. It does so within {len(time.streams)} streams: "
        f"{streams}."
    )


def _holes(facts: Facts) -> str:
    holes = [str(a) if a == b else f"{a} to {b}" for a, b in facts.holes]
    broken = [f"`{stream}` (version {n})" for stream, n in facts.broken_streams]
    return f"Positions {', '.join(holes)} are missing. Versions are missing in {', '.join(broken)}."


def _undecodable(facts: Facts) -> str:
    rows = [
        f"Position {row.position} (`{row.stream}` version {row.version}, "
        f"`{row.topic}`) is {row.problem}"
        for row in facts.undecodable
    ]
    return f"{'. '.join(rows)}."


def _text_of_kinds(facts: Facts) -> list[str]:
    return [
        "| type | events | first position | schema versions |",
        "| --- | ---: | ---: | --- |",
        *(
            f"| `{kind.topic}` | {kind.events:,} | {kind.first} "
            f"| {', '.join(map(str, kind.versions))} |"
            for kind in facts.kinds
        ),
    ]
