"""Reference pages of the package, from its docstrings, as Markdown."""

import importlib
import inspect
import pkgutil
import re
from types import ModuleType

import dvae_helpers

_NOT_SHOWN = ("__main__", "commands", "site", "exercises", "doctor", "handout", "slides", "widgets")
_NOT_SHOWN += ("progress", "log_sums_triton")  # which needs triton: a torch for GPUs brings it


def reference() -> dict[str, str]:
    """For each module with something public its page: name without the package -> Markdown."""
    pages = {}
    for found in pkgutil.iter_modules(dvae_helpers.__path__):
        if found.name not in _NOT_SHOWN:
            module = importlib.import_module(f"dvae_helpers.{found.name}")
            if text := _page(module):
                pages[found.name] = text
    listed = "\n".join(sorted(pages))
    pages["index"] = (
        "# The package\n\nAll terms are in nats per image: summed over pixels and latents, "
        f"averaged over images.\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    return pages


def _page(module: ModuleType) -> str:
    parts = [f"# {module.__name__}", _prose(inspect.getdoc(module) or "")]
    for name, thing in _public(module).items():
        parts += [f"## {name}", f"```python\n{_signature(name, thing)}\n```"]
        parts.append(_prose(inspect.getdoc(thing) or ""))
        if inspect.isclass(thing):
            for method, function in vars(thing).items():
                if not method.startswith("_") and inspect.isfunction(function):
                    parts += [
                        f"### {name}.{method}",
                        f"```python\n{_signature(method, function)}\n```",
                    ]
                    parts.append(_prose(inspect.getdoc(function) or ""))
    return "\n\n".join(filter(None, parts)) + "\n" if len(parts) > 2 else ""


def _public(module: ModuleType) -> dict[str, object]:
    names = getattr(module, "__all__", None) or [
        name for name in vars(module) if not name.startswith("_")
    ]
    found = {name: getattr(module, name) for name in names}
    return {
        name: thing
        for name, thing in found.items()
        if (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__.startswith(module.__name__)
    }


def _signature(name: str, thing: object) -> str:
    try:
        words = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return name
    words = re.sub(r"<(?:function|built-in function) (\w+)[^>]*>", r"\1", words)
    return name + re.sub(r"(?:[a-z_]+[.])+([A-Za-z]+)", r"\1", words)


def _prose(text: str) -> str:
    """A docstring as Markdown: what it says of each argument begins a line of its own."""
    lines = []
    for line in text.splitlines():
        begins = re.match(r"\w[\w, ]*: ", line)
        if begins and lines and lines[-1]:
            lines.append("")
        lines.append(_escaped(line.strip()))
    return "\n".join(lines)


def _escaped(line: str) -> str:
    parts = re.split(r"(`[^`]*`)", line)
    parts[::2] = [re.sub(r"([\\*_$<>\[\]{}|#~^])", r"\\\1", part) for part in parts[::2]]
    joined = "".join(parts)
    return re.sub(r"^([-+=]|\d+[.)])", r"\\\1", joined)
