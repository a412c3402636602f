"""What a run says at its end of the jobs that failed, whose messages are far above by then."""

from __future__ import annotations

from collections.abc import Iterable


def told(failed: Iterable[tuple[str, Iterable[str]]]) -> str:
    """The names of failed jobs with their log files, as a list.

    Examples
    --------
    >>> print(told([("read_texts", ["results/logs/read_texts/a.log"])]))
    1 job failed, and what needs it was not built; its log says why:
        read_texts: results/logs/read_texts/a.log
    """
    lines = sorted(f"    {name}: {', '.join(logs) or 'no log'}" for name, logs in failed)
    if len(lines) == 1:
        said = "1 job failed, and what needs it was not built; its log says why:"
    else:
        said = f"{len(lines)} jobs failed, and what needs them was not built; their logs say why:"
    return "\n".join([said, *lines])
