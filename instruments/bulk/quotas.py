"""How much each job has brought into a store: counted in memory, what is on its way included."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from instruments.artefacts import ArtefactError

_JOBS = 100_000
"""So many are remembered; then the one that brought something longest ago is forgotten."""


class QuotaError(ArtefactError):
    """A job has brought as much as it may."""


class BusyQuotaError(ArtefactError):
    """With what is on its way a job would bring more than it may; some of that may still fail."""


@dataclass
class _Account:
    kept: int = 0
    coming: int = 0


class Quotas:
    """The accounts of all jobs; for one event loop."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def share(self, job: str, n_bytes: int, most: int) -> Share:
        """Set bytes aside for an artefact that comes within the context of what this returns.

        Args:
            job: who brings it.
            n_bytes: its announced length.
            most: what the job may bring in all.

        Raises:
            QuotaError: it is too much for good.
            BusyQuotaError: it is too much for now.
        """
        account = self._accounts.get(job, _Account())
        if account.kept + n_bytes > most:
            raise QuotaError(
                f"job {job} has brought {account.kept} bytes: these {n_bytes} are beyond the {most} that a job may "
                "bring in all"
            )
        if account.kept + account.coming + n_bytes > most:
            raise BusyQuotaError(
                f"job {job} is bringing {account.coming} bytes at this moment: come back with these {n_bytes} later"
            )
        self._accounts.pop(job, None)
        self._accounts[job] = account  # at the end: the first one is the oldest
        while len(self._accounts) > _JOBS:
            del self._accounts[next(iter(self._accounts))]
        return Share(account, n_bytes)


class Share:
    """Bytes set aside for one artefact; unless it is kept, leaving the context gives them back."""

    def __init__(self, account: _Account, n_bytes: int) -> None:
        self._account = account
        self._n_bytes = n_bytes

    def keep(self, n_bytes: int) -> None:
        """Count what the artefact added to the store."""
        self._account.kept += n_bytes

    def __enter__(self) -> Self:
        self._account.coming += self._n_bytes
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._account.coming -= self._n_bytes
