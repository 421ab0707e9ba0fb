"""What a campaign has found, in Markdown."""

from tests.soak.campaign import CLEARLY, MAX_GROWTH, MIN_MEASURED, WARM_UP, Result
from tests.soak.faults import OF_THE_PAGE, OF_THE_SERVER, OTHERS, name_of
from tests.soak.tally import BROKEN, CLEAR, RIGHT, WRONG
from tests.soak.watch import Look

POINTS = 10  # of memory over time


def report(result: Result) -> str:
    """The whole report."""
    parts = [
        f"# Soak: {result.minutes:g} minutes, seed {result.seed}",
        f"{result.rounds} rounds of up to three faults at a time; the page was started "
        f"{result.page_starts} times.",
        *(f"Left out: {what}." for what in result.left_out),
        _faults(result),
        _callers(result),
        _growth(result),
        "## Left over\n\n" + ("\n".join(f"- {one}" for one in result.left) or "Nothing."),
        "## Lost\n\n" + ("\n".join(f"- {one}" for one in result.lost) or "Nothing."),
    ]
    return "\n\n".join(parts)


def _faults(result: Result) -> str:
    lines = [
        "## Faults\n",
        "| fault | times | longest until all pens were read again, s |",
        "| --- | --- | --- |",
    ]
    for fault in (*OF_THE_SERVER, *OF_THE_PAGE, *OTHERS):
        seconds = result.recovery.get(fault)
        told = "" if seconds is None else f"{seconds:.1f}"
        lines.append(f"| {name_of(fault)} | {result.faults.get(fault, 0)} | {told} |")
    return "\n".join(lines)


def _callers(result: Result) -> str:
    outcomes = (RIGHT, CLEAR, BROKEN, WRONG)
    lines = [
        "## Answers\n",
        f"| who | asked | {' | '.join(outcomes)} |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for tally in result.tallies:
        counts = " | ".join(str(tally.counts[outcome]) for outcome in outcomes)
        lines.append(f"| {tally.kind} | {sum(tally.counts.values())} | {counts} |")
    lines.append("\nThe clear errors:\n")
    for tally in result.tallies:
        for error, count in tally.errors.most_common():
            lines.append(f"- {tally.kind}, {count}: {error}…")
    return "\n".join(lines)


def _growth(result: Result) -> str:
    lines = [
        "## Memory\n",
        f"In the last life of each, after a warm-up of {WARM_UP:.0f} s. More than "
        f"{MAX_GROWTH:.0f} MB an hour is a leak, where {MIN_MEASURED:.0f} s were measured and "
        f"the rise is {CLEARLY:g} times what the memory goes up and down by besides.\n",
        "| process | measured, s | from, MB | to, MB | MB an hour | up and down, MB | more files "
        "| more threads |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in result.growth.items():
        if one is None:
            lines.append(f"| {name} | 0 | | | | | | |")
        else:
            lines.append(
                f"| {name} | {one.seconds:.0f} | {one.first_mb:.0f} | {one.last_mb:.0f} "
                f"| {one.mb_an_hour:+.1f} | {one.spread_mb:.1f} "
                f"| {one.files:+d} | {one.threads:+d} |"
            )
    lines += [f"\n{name}: {_over_time(looks)}" for name, looks in result.looks.items()]
    return "\n".join(lines)


def _over_time(looks: list[Look]) -> str:
    began, step = looks[0].at, max(1, len(looks) // POINTS)
    points = [f"{(look.at - began) / 60:.1f} min {look.mb:.0f}" for look in looks[::step]]
    return f"{', '.join(points)} MB."
