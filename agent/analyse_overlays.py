"""The pictures that ``labwright analyse --overlay`` leaves: one a micrograph, with its numbers below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from envs.errors import UserError

if TYPE_CHECKING:
    from agent.analyse_results import Result
    from surrogates.micrograph_io import Micrograph
    from surrogates.micrograph_reading import MicrographReading

OVERLAY_END = "_overlay.png"


class Overlays:
    """A folder of overlays: ``NAME_overlay.png``, with a number where two pictures have the same name.

    Raises:
        UserError: the folder cannot be made.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._taken: set[str] = set()
        if directory.exists() and not directory.is_dir():
            raise UserError(f"{directory}: is a file; give --overlay a folder")
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{directory}: cannot be made ({error.strerror}); give --overlay another folder") from error

    def write(self, result: Result, micrograph: Micrograph, reading: MicrographReading) -> Path:
        """Draw and keep one.

        Raises:
            UserError: it cannot be written.
        """
        from agent.analyse_words import strip
        from surrogates.micrograph_overlay import sheet

        path = self._directory / self._free(Path(result.file).stem)
        try:
            sheet(micrograph, reading, strip(result)).save(path, format="PNG", compress_level=3)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror or error}); check folder and disk") from error
        return path

    def _free(self, stem: str) -> str:
        names = (f"{stem}{'' if n == 1 else f'-{n}'}{OVERLAY_END}" for n in range(1, len(self._taken) + 2))
        name = next(name for name in names if name not in self._taken)
        self._taken.add(name)
        return name
