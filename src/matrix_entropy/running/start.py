"""Imported first by the scripts of jobs, so that their libraries are there quickly.

Where a run has a process with the libraries already imported (`running.workers`), a copy of
it does the job, and this import ends the script's own process. Elsewhere garbage collection is
switched off during imports: it would find nothing, and takes a fifth of the start-up time of a job
with torch. `running.console.job` switches it on again. Either way no library starts more threads
than the job may use processors, and Ctrl-C ends the job without a message.
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
