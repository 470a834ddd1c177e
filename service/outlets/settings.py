"""What may be set of plugins, of which outlets are some."""

from __future__ import annotations

from pydantic import BaseModel

from service.declaration import Names, under

_plugins = under("Plugins")


class PluginSettings(BaseModel):
    """Plugins."""

    plugins: Names = _plugins(
        (),
        "Installed plugins to load, such as rejects,archive; `takt plugins` lists those there are. "
        "They run with the rights of the server. No other is imported.",
    )
