"""Reports the result of a campaign in Markdown."""

from tests.soak.campaign import MAX_GROWTH, MIN_MEASURED, SIGNIFICANCE, WARM_UP, Result
from tests.soak.faults import OTHER_FAULTS, PAGE_FAULTS, SERVER_FAULTS, name_of
from tests.soak.outcomes import CLEAR_ERROR, CORRECT, DISCONNECTED, FAILED
from tests.soak.resources import Sample

POINTS = 10  # of memory over time


def report(result: Result) -> str:
    """Returns the whole report."""
    parts = [
        f"# Endurance test: {result.minutes:g} minutes, seed {result.seed}",
        f"{result.rounds} rounds of up to three concurrent faults; the page was started "
        f"{result.page_starts} times.",
        *(f"Skipped: {description}." for description in result.skipped),
        _format_faults(result),
        _format_outcomes(result),
        _format_growth(result),
        "## Left behind\n\n" + _format_list(result.leftovers),
        "## Violations\n\n" + _format_list(result.violations),
    ]
    return "\n\n".join(parts)


def _format_list(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences) or "None."


def _format_faults(result: Result) -> str:
    lines = [
        "## Faults\n",
        "| fault | times | longest time until every visitor had a prediction, s |",
        "| --- | --- | --- |",
    ]
    for fault in (*SERVER_FAULTS, *PAGE_FAULTS, *OTHER_FAULTS):
        seconds = result.recovery.get(fault)
        recovery = "" if seconds is None else f"{seconds:.1f}"
        lines.append(f"| {name_of(fault)} | {result.faults.get(fault, 0)} | {recovery} |")
    return "\n".join(lines)


def _format_outcomes(result: Result) -> str:
    columns = (CORRECT, CLEAR_ERROR, DISCONNECTED, FAILED)
    lines = [
        "## Responses\n",
        f"| client | requests | {' | '.join(columns)} |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for outcomes in result.outcomes:
        counts = " | ".join(str(outcomes.counts[column]) for column in columns)
        lines.append(f"| {outcomes.client} | {outcomes.counts.total()} | {counts} |")
    lines.append("\nClear errors:\n")
    for outcomes in result.outcomes:
        for error, count in outcomes.errors.most_common():
            lines.append(f"- {outcomes.client}, {count} times: {error}…")
    return "\n".join(lines)


def _format_growth(result: Result) -> str:
    lines = [
        "## Memory\n",
        f"Of the last process of each kind, after a warm-up of {WARM_UP:.0f} s. A leak is growth "
        f"of more than {MAX_GROWTH:.0f} MB per hour, measured for at least {MIN_MEASURED:.0f} s, "
        f"by more than {SIGNIFICANCE:g} standard deviations of the memory's fluctuation.\n",
        "| process | measured, s | from, MB | to, MB | MB per hour | fluctuation, MB "
        "| more open files | more threads |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, growth in result.growth.items():
        if growth is None:
            lines.append(f"| {name} | 0 | | | | | | |")
        else:
            lines.append(
                f"| {name} | {growth.seconds:.0f} | {growth.first_mb:.0f} | {growth.last_mb:.0f} "
                f"| {growth.mb_an_hour:+.1f} | {growth.spread_mb:.1f} "
                f"| {growth.files:+d} | {growth.threads:+d} |"
            )
    lines += [f"\n{name}: {_format_samples(s)}" for name, s in result.samples.items()]
    return "\n".join(lines)


def _format_samples(samples: list[Sample]) -> str:
    began, step = samples[0].time, max(1, len(samples) // POINTS)
    points = [f"{(s.time - began) / 60:.1f} min {s.mb:.0f}" for s in samples[::step]]
    return f"{', '.join(points)} MB."
