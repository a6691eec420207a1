"""The name under which the notebooks call `page.traversal`."""

from collections.abc import Callable, Sequence

from torch import Tensor

from . import page


def show_traversal(
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    latents: Sequence[int] | None = None,
    labels: Sequence[str] = (),
    title: str = "",
) -> None:
    """Shows `page.traversal` of the model whose `pictures` is `decode`, in a notebook."""
    from IPython.display import display

    display(page.traversal(decode.__self__, z, latents, labels, title))
