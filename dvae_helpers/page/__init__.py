"""What moves in the page itself, without a kernel: networks, sliders, lattices, votes."""

from ..codes import lattice_codes
from .component import STYLE, Component, script
from .explorer import SCRIPTS as EXPLORER_SCRIPTS
from .explorer import explorer, revived, traversal
from .lattice import lattice_animation
from .votes import Vote, vote

__all__ = ["EXPLORER_SCRIPTS", "STYLE", "Component", "explorer", "lattice_animation"]
__all__ += ["Vote", "lattice_codes", "revived", "script", "traversal", "vote"]
