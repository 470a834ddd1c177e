"""A copy of a bundle's files that nobody else can change.

Engines open graphs by their names, later than their digests are taken, and once more whenever an
engine has to be replaced. What was vouched for is what runs only if it lies where others cannot
write.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import BinaryIO

from takt.core.bundles.reading import chunks_of
from takt.core.errors import BundleError


class PrivateCopy:
    """A folder of this process, below `TMPDIR`; goes with `close`, or with the process.

    Attributes:
        folder: of the copies; only this user may enter it.

    Raises:
        BundleError: there is no place for temporary files.
    """

    def __init__(self) -> None:
        try:
            self.folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="takt-bundle-")))
        except OSError as error:
            raise BundleError(
                f"a signed bundle is served from a copy, which cannot be made in "
                f"{tempfile.gettempdir()}: {error.strerror}; set TMPDIR"
            ) from None
        self.close = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def take(self, name: str, stream: BinaryIO) -> BinaryIO:
        """Copies an open file, as long as it was when the reading began, and opens the copy.

        Args:
            name: of the file in the bundle.
            stream: of the file.

        Raises:
            BundleError: the disk does not take it.
        """
        place = self.folder / name
        try:
            with place.open("xb") as copy:
                for chunk in chunks_of(stream):
                    copy.write(chunk)
            return place.open("rb")
        except OSError as error:
            raise BundleError(
                f"a signed bundle is served from a copy, and {name} cannot be copied to "
                f"{self.folder.parent}: {error.strerror}; set TMPDIR to a disk with more room"
            ) from None
