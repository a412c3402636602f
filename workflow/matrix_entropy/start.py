"""Imported before torch by the scripts of jobs: no search for garbage while libraries are imported.

What an import makes stays. The collector finds nothing in it, and looking takes a fifth of the
start of a job with torch. `matrix_entropy.console.job` turns the collector on again.
"""

import gc

gc.disable()
