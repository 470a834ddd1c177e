"""Links to folders of the repository, such as `../deploy`: a Git host shows these, a site cannot.

One leads to the README of its folder where that is a page, and is text alone where not; a folder
that is not there is an error as any dead link.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode


class FolderLinks(SphinxPostTransform):
    """Resolves these links before MyST misses their targets."""

    default_priority = 8  # MyST's is 9

    def run(self, **kwargs: Any) -> None:
        """Replace each such link of a page."""
        here = posixpath.dirname(self.env.docname)
        builder = self.app.builder
        for link in list(self.document.findall(addnodes.pending_xref)):
            folder = posixpath.normpath(posixpath.join(here, link["reftarget"]))
            if link["reftype"] != "myst" or not (Path(self.env.srcdir) / folder).is_dir():
                continue
            text, page = link[0].deepcopy(), f"{folder}/README"
            if page in self.env.all_docs:
                text = make_refnode(builder, self.env.docname, page, "", text)
            link.replace_self(text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add it to what is done to every page."""
    app.add_post_transform(FolderLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
