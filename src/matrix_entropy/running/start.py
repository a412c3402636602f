"""Imported first by the scripts of jobs, so that their libraries are there quickly.

Where a run has a process with the libraries already imported (`running.workers`), a copy of
it does the job, and this import ends the script's own process. Elsewhere the libraries are imported
with no search for garbage: what an import makes stays, so the collector finds nothing in it, and
looking takes a fifth of the start of a job with torch. `running.console.job` turns the
collector on again. Either way no library starts more threads than the job may have processors, and
Ctrl-C ends the job without a word.
"""

import gc
import os

from matrix_entropy.running import asking, processors, stopping

stopping.job()
gc.disable()
processors.limit()
if asking.SOCKET in os.environ:
    # Taken away: what a job starts does not ask again.
    asking.hand_over(os.environ.pop(asking.SOCKET))
