"""What a notebook shows to be moved. All but `Explorer` work in the page, without a kernel."""

from ..codes import nearest, spoil, spoiled_scores, swap, tracked
from ..figures import png, tile, traverse
from ..page import explorer
from .frontier import frontier
from .gap_explorer import gap_explorer
from .linked import Explorer
from .race import race
from .slack import be_the_encoder
from .swapper import swapper

__all__ = ["Explorer", "be_the_encoder", "explorer", "frontier", "gap_explorer", "nearest", "png"]
__all__ += ["race", "spoil", "spoiled_scores", "swap", "swapper", "tile", "tracked", "traverse"]
