"""What moves in the page itself, without a kernel: networks, sliders, lattices."""

from ..codes import lattice_codes
from .component import STYLE, Component, script
from .explorer import SCRIPTS as EXPLORER_SCRIPTS
from .explorer import explorer, revived, traversal
from .lattice import lattice_animation

__all__ = ["EXPLORER_SCRIPTS", "STYLE", "Component", "explorer", "lattice_animation"]
__all__ += ["lattice_codes", "revived", "script", "traversal"]
