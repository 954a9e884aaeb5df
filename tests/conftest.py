"""Settings of the whole suite: one computing thread a process, no window system, reproducible examples."""

import os

# Before anything imports numpy or torch: test processes share few cores, and sums in one order repeat exactly.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import settings

settings.register_profile("labwright", deadline=None, derandomize=True)
settings.load_profile("labwright")
