"""Real processes, killed and counted: ``python -m tests.faults.kill``.

Read in this order: ``minds`` and ``nursery`` (the real daemon's process, quick to start), ``shop`` (the instruments'
process, which writes down whatever it does), ``people`` (who sign), ``laboratory`` (them all, around one broker),
``plan`` (which kill comes when), ``era`` (a laboratory's life under kills), ``audit`` (what it left, compared),
``runs`` (the counts on SQLite and PostgreSQL), ``wal`` and ``torn`` (logs that a power cut tears), ``pages`` and
``flipped`` (bits that a disk turns).
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "contract"))  # the temporary PostgreSQL server lives there
