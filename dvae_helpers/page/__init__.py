"""What moves in the page itself, without a kernel: networks, sliders, lattices, votes."""

from ..codes import lattice_codes
from .component import STYLE, Component, contact_sheet, png_url, refreshed, script
from .explorer import ASLEEP, album, explorer, revived, traversal
from .lattice import lattice_animation
from .votes import Vote, vote
from .weights import network
from .words import described, value_names

__all__ = ["ASLEEP", "STYLE", "Component", "Vote", "album", "contact_sheet", "described"]
__all__ += ["explorer", "lattice_animation", "lattice_codes", "network", "png_url", "refreshed"]
__all__ += ["revived", "script", "traversal", "value_names", "vote"]
