"""JupyterLab on a copy of the notebooks, for the tests in a browser and their benchmark."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
TOKEN = "course"
PATIENCE = 240  # seconds for any one step: continuous integration can be very slow


def excerpt(name: str, parts: Sequence[str]) -> nbformat.NotebookNode:
    """A notebook that was not run, made of cells of another: their ids, or lines of code."""
    master = nbformat.read(NOTEBOOKS / name, as_version=4)
    cells = {cell.id: cell.source for cell in master.cells}
    made = [new_code_cell(cells.get(part, part)) for part in parts]
    return new_notebook(cells=made, metadata={"kernelspec": master.metadata.kernelspec})


@contextmanager
def running(home: Path, more: dict[str, nbformat.NotebookNode]) -> Iterator[str]:
    """Its address, while it runs in the folder `home` on the course's notebooks and some more.

    The course's notebooks are trusted and its settings are there, as after `make lab`. All cells
    of a notebook are drawn at once, not only those in view.
    """
    course, settings, app = home / "course", home / "settings", home / "app"
    folder = course / "notebooks"
    shutil.copytree(NOTEBOOKS, folder)
    for path in NOTEBOOKS.parent.glob("*.md"):
        shutil.copy(path, course)
    (app / "overrides.d").mkdir(parents=True)
    shutil.copy(NOTEBOOKS.parent / "jupyterlab.json", app / "overrides.d")
    for name, notebook in more.items():
        nbformat.write(notebook, folder / name)
    (settings / "@jupyterlab" / "notebook-extension").mkdir(parents=True)
    drawn = settings / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    drawn.write_text(json.dumps({"windowingMode": "none"}))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        environment[name] = str(home / name)
    jupyter = [sys.executable, "-m", "jupyter"]
    trusted = sorted(map(str, folder.glob("*.ipynb")))
    subprocess.run([*jupyter, "trust", *trusted], env=environment, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*jupyter, "lab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    command += [f"--ServerApp.root_dir={course}", f"--LabApp.user_settings_dir={settings}"]
    command += [f"--LabApp.app_settings_dir={app}"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--expose-app-in-browser"]
    address = f"http://127.0.0.1:{port}"
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            until = time.monotonic() + PATIENCE
            while not _answers(f"{address}/api/status?token={TOKEN}"):
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"JupyterLab did not start: {(home / 'log').read_text()}")
                time.sleep(0.3)
            yield address
        finally:
            server.terminate()
            server.wait(60)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False
