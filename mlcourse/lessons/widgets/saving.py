"""What JupyterLab writes of a widget: its picture, not the view of a kernel that will be gone.

A live view points to a model in the kernel by a number drawn anew in every run. Saved, it changes the file each
time, and opened again without that kernel it stands there as an error, in front of the right picture.
The set-up enables this file as an extension of Jupyter's server, which then calls `leave_stills` before each save.
"""

from typing import Any

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def leave_stills(model: dict[str, Any], **_: Any) -> None:
    """Take the live views out of a notebook that is about to be saved, wherever a picture stands beside them.

    model: as Jupyter's contents manager hands it to a `pre_save_hook`; changed in place.
    """
    if model.get("type") != "notebook" or model["content"].get("nbformat") != 4:
        return
    for cell in model["content"]["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET_VIEW in data and "text/html" in data:
                del data[WIDGET_VIEW]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    """What Jupyter's server calls when it starts."""
    server.contents_manager.register_pre_save_hook(leave_stills)
