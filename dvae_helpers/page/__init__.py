"""What moves in the page itself, without a kernel: networks, sliders, lattices, votes."""

from ..codes import lattice_codes
from .component import STYLE, Component, contact_sheet, png_url, script
from .explorer import ASLEEP, album, explorer, revived, traversal
from .explorer import SCRIPTS as EXPLORER_SCRIPTS
from .lattice import lattice_animation
from .votes import Vote, vote
from .weights import network

__all__ = ["ASLEEP", "EXPLORER_SCRIPTS", "STYLE", "Component", "Vote", "album", "contact_sheet"]
__all__ += ["explorer", "lattice_animation", "lattice_codes", "network", "png_url", "revived"]
__all__ += ["script", "traversal", "vote"]
