"""What works on this machine, in plain words, and what to do about what does not."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

OK, NOTE, PROBLEM = "ok", "note", "problem"


@dataclass(frozen=True)
class Check:
    """One line of the report. state: "ok", "note" (works, but read it) or "problem"."""

    state: str
    subject: str
    finding: str
    remedy: str = ""


def report() -> list[Check]:
    """All checks, in the order in which a newcomer meets the things they check."""
    checks = [_python(), _torch()]
    if checks[-1].state != PROBLEM:
        checks.append(_gpu())
    return [*checks, _lab(), _widgets(), _disk(), _data(), _zoo()]


def text(checks: list[Check]) -> str:
    """The report as lines for a person."""
    lines = []
    for check in checks:
        lines.append(f"[{check.state:^7}] {check.subject + ':':<13} {check.finding}")
        if check.remedy:
            lines.append(f"{'':26}What to do: {check.remedy}")
    problems = sum(check.state == PROBLEM for check in checks)
    lines.append("")
    if problems:
        lines.append(f"{problems} problem{'s' if problems > 1 else ''} to solve before you start.")
    else:
        lines.append("Everything that the course needs works.")
    return "\n".join(lines)


def _python() -> Check:
    return Check(OK, "Python", f"version {'.'.join(map(str, sys.version_info[:3]))}")


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check(PROBLEM, "torch", f"cannot be loaded: {error}", "Run `make lab` again.")
    count = torch.get_num_threads()
    threads = "1 processor thread" if count == 1 else f"{count} processor threads"
    return Check(OK, "torch", f"version {torch.__version__}, on {threads}")


def _gpu() -> Check:
    import torch

    if torch.cuda.is_available():
        gigabytes = torch.cuda.get_device_properties(0).total_memory / 2**30
        name = torch.cuda.get_device_name(0)
        return Check(OK, "GPU", f"{name} with {gigabytes:.0f} GiB: use device='cuda'")
    if torch.backends.mps.is_available():
        return Check(OK, "GPU", "Apple GPU: use device='mps'")
    return Check(OK, "GPU", "none found; the course needs none")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _lab() -> Check:
    version = _version("jupyterlab")
    if version is None:
        return Check(PROBLEM, "JupyterLab", "not in this environment", "Run `make lab`.")
    command = shutil.which("jupyter")
    here = Path(sys.prefix).resolve()
    if command is not None and here not in Path(command).absolute().parents:
        return Check(
            NOTE,
            "JupyterLab",
            f"version {version}; but the command `jupyter` is the one of another environment",
            "Start it with `make lab`, or activate this environment first.",
        )
    return Check(OK, "JupyterLab", f"version {version}")


def _widgets() -> Check:
    """The two halves of ipywidgets: Python in the kernel, JavaScript in JupyterLab."""
    version = _version("ipywidgets")
    if version is None:
        return Check(PROBLEM, "sliders", "ipywidgets is not in this environment", "Run `make lab`.")
    half = Path(sys.prefix) / "share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager"
    if not (half / "package.json").is_file():
        return Check(
            PROBLEM,
            "sliders",
            f"ipywidgets {version} is here, but not its half for JupyterLab",
            "Run `python -m pip install --force-reinstall jupyterlab_widgets`, then start "
            "JupyterLab again.",
        )
    front = _version("jupyterlab_widgets")
    return Check(OK, "sliders", f"ipywidgets {version}, and its half for JupyterLab {front}")


def _disk() -> Check:
    from .files import data_folder

    place = data_folder()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    if free < 0.5:
        return Check(
            PROBLEM, "disk", f"{free:.1f} GB free", "Make room: checkpoints need about 0.5 GB."
        )
    return Check(OK, "disk", f"{free:.0f} GB free")


def _data() -> Check:
    from . import dsprites_file
    from .files import checkout, data_folder, where_from

    place = data_folder()
    named = "DVAE_DATA names" if os.environ.get("DVAE_DATA") else "the data folder is"
    if not place.is_dir():
        return Check(
            PROBLEM,
            "data",
            f"{named} {place}, which is not there",
            where_from() if checkout() is None else "Leave DVAE_DATA unset, or mend it.",
        )
    real = place / "downloads" / dsprites_file.FILE
    there = "the dSprites file is here" if real.is_file() else "no download is needed"
    if not os.access(place, os.W_OK):
        return Check(
            NOTE,
            "data",
            f"sprites are drawn, {there}; {place} cannot be written",
            "To save your own models, set DVAE_DATA to a copy of that folder.",
        )
    return Check(OK, "data", f"sprites are drawn, {there}")


def _zoo() -> Check:
    from . import zoo
    from .files import where_from

    names, broken = zoo.names(), []
    for name in names:
        try:
            zoo.load(name)
        except ValueError as error:
            broken.append(str(error))
    if broken:
        return Check(PROBLEM, "zoo", broken[0], where_from())
    if not names:
        return Check(
            PROBLEM,
            "zoo",
            f"no trained model in {zoo.folder()}",
            where_from(),
        )
    return Check(OK, "zoo", f"{len(names)} trained model{'s' if len(names) > 1 else ''}, all sound")
