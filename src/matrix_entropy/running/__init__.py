"""How a job runs: its log, processors, GPUs, lock, and the process that it is a copy of."""
