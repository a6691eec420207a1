"""How two objectives are told apart, so that a checkpoint is never taken for another run's."""

import functools
import hashlib
import sys
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..objectives import OBJECTIVES

_LARGE = 65_536  # of a larger array, this many values evenly spread stand for all


def describe(objective: Any) -> dict[str, Any]:
    """An objective's name and settings, as functools.partial(beta_vae, beta=4) holds them.

    Numbers of numpy and torch become plain ones. For a function that is not of this package,
    "code" is a mark of all that decides what it computes: its code, and the values of the
    variables that it takes from outside. Two lambdas with another beta have other marks.

    Raises ValueError if it uses an object that cannot be told from another one.
    """
    function, settings = base(objective), {}
    while isinstance(objective, functools.partial):
        given = dict(enumerate(objective.args)) | objective.keywords
        settings = {str(name): _plain(value) for name, value in given.items()} | settings
        objective = objective.func
    name = name_of(function)
    if OBJECTIVES.get(name) is not function:
        settings["code"] = mark(function)
    return {"name": name, **settings}


def base(objective: Any) -> Any:
    """The function in which the settings were fixed."""
    while isinstance(objective, functools.partial):
        objective = objective.func
    return objective


def name_of(objective: Any) -> str:
    function = base(objective)
    return getattr(function, "__name__", type(function).__name__)


def mark(thing: Any) -> str:
    """Twelve digits that differ if what `thing` computes may differ."""
    digest = hashlib.sha256()
    _read(thing, digest.update, frozenset())
    return digest.hexdigest()[:12]


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Tensor):
        return value.detach().cpu().tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return mark(value)


def _read(thing: Any, tell, seen: frozenset[int]) -> None:
    """Tells everything that decides what a thing computes, as bytes."""
    if thing is None or isinstance(thing, bool | int | float | complex | str | bytes):
        tell(f"{type(thing).__name__} {thing!r};".encode())
        return
    if isinstance(thing, np.generic | np.ndarray | Tensor):
        _read_array(thing, tell)
        return
    if id(thing) in seen:  # it holds itself
        return
    seen = seen | {id(thing)}
    tell(type(thing).__qualname__.encode())
    if isinstance(thing, torch.device | torch.dtype | Path | slice | range):
        tell(repr(thing).encode())
    elif isinstance(thing, list | tuple):
        for item in thing:
            _read(item, tell, seen)
    elif isinstance(thing, set | frozenset):
        for text in sorted(mark(item) for item in thing):
            tell(text.encode())
    elif isinstance(thing, dict):
        for key, value in thing.items():
            _read(key, tell, seen)
            _read(value, tell, seen)
    elif isinstance(thing, functools.partial):
        for part in (thing.func, thing.args, thing.keywords):
            _read(part, tell, seen)
    elif isinstance(thing, MethodType):
        _read(thing.__func__, tell, seen)
        _read(thing.__self__, tell, seen)
    elif isinstance(thing, ModuleType):
        tell(thing.__name__.encode())
    elif isinstance(thing, FunctionType):
        _read_function(thing, tell, seen)
    elif isinstance(thing, CodeType):
        _read_code(thing, tell, seen)
    elif isinstance(thing, type):
        _read_class(thing, tell, seen)
    elif isinstance(thing, torch.Generator):
        tell(str(thing.device).encode())  # its state is not a setting
    elif isinstance(thing, nn.Module):
        # of networks the shapes: they may be trained beside the model
        for name, value in thing.state_dict().items():
            tell(f"{name} {tuple(value.shape)}".encode())
        _read(type(thing), tell, seen)
    elif isinstance(thing, BuiltinFunctionType) or (_known(type(thing)) and callable(thing)):
        tell(f"{thing.__module__} {getattr(thing, '__qualname__', repr(type(thing)))}".encode())
    elif hasattr(thing, "__dict__"):
        _read(type(thing), tell, seen)
        _read(vars(thing), tell, seen)
    else:
        raise ValueError(
            f"The objective uses {thing!r:.80}, which cannot be told from another object of its "
            "kind, so that a checkpoint could be that of another run. Give its numbers as "
            "functools.partial(objective, name=number), or train without a checkpoint."
        )


def _read_array(thing: Any, tell) -> None:
    values = torch.as_tensor(thing).detach().reshape(-1)
    tell(f"array {values.dtype} {tuple(np.shape(thing))}".encode())
    values = values[:: max(1, len(values) // _LARGE)].cpu()
    tell(values.contiguous().view(torch.uint8).numpy().tobytes() if len(values) else b"")


def _read_function(function: FunctionType, tell, seen: frozenset[int]) -> None:
    if _known(function):
        tell(f"{function.__module__}.{function.__qualname__}".encode())
        return
    _read(function.__code__, tell, seen)
    _read(function.__defaults__, tell, seen)
    _read(function.__kwdefaults__, tell, seen)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        tell(name.encode())
        _read(cell.cell_contents, tell, seen)
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            tell(name.encode())
            _read(function.__globals__[name], tell, seen)


def _read_code(code: CodeType, tell, seen: frozenset[int]) -> None:
    tell(code.co_code)
    for names in (code.co_names, code.co_varnames, code.co_freevars, code.co_consts):
        for value in names:
            _read(value, tell, seen)


def _read_class(thing: type, tell, seen: frozenset[int]) -> None:
    tell(f"{thing.__module__}.{thing.__qualname__}".encode())
    if not _known(thing):
        for name, value in vars(thing).items():
            if isinstance(value, FunctionType | int | float | str):
                tell(name.encode())
                _read(value, tell, seen)


def _names(code: CodeType) -> set[str]:
    """The names that code, and functions inside it, take from their module."""
    inner = [_names(value) for value in code.co_consts if isinstance(value, CodeType)]
    return set(code.co_names).union(*inner)


def _known(thing: Any) -> bool:
    """Whether a function or class belongs to an installed package: its name then says it all."""
    top = (getattr(thing, "__module__", None) or "").partition(".")[0]
    if top in sys.stdlib_module_names | {"dvae_helpers"}:
        return top != "__main__"
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file
