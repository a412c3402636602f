"""How much of a finished run its jobs spent on starting: processes and imports, before any work.

Adds up the last lines of all logs of a run, which `running.console.job` writes. Run as
`python tests/benchmarks/start_up.py miniature`; the slowest rules come first.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

LAST_LINE = re.compile(
    r"([\d.]+) of ([\d.]+) s to start, ([\d.]+) s of processors, (\d+) MiB at the peak\n$"
)


def main(folder: Path) -> int:
    rules: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    logs = folder / "results" / "logs"
    for path in sorted(logs.rglob("*.log")):
        if found := LAST_LINE.search(path.read_text(encoding="utf-8")):
            rule = path.relative_to(logs).parts[0].removesuffix(".log")
            rules[rule].append(tuple(map(float, found.groups())))
    if not rules:
        print(f"error: no log in {logs} ends with a job's times; run the workflow first")
        return 1
    print("| rule | jobs | start (s) | whole (s) | of processors (s) | peak memory (MiB) |")
    print("|---|---|---|---|---|---|")
    rules["all"] = [times for rule in rules.values() for times in rule]
    for rule, jobs in sorted(rules.items(), key=lambda entry: -sum(job[1] for job in entry[1])):
        start, whole, used, peak = zip(*jobs, strict=True)
        print(
            f"| {rule} | {len(jobs)} | {sum(start):.1f} | {sum(whole):.1f} | {sum(used):.1f} "
            f"| {max(peak):.0f} |"
        )
        if rule == "all":
            share = sum(start) / sum(whole)
    print(f"starting took {share:.1%} of the time of the jobs")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
