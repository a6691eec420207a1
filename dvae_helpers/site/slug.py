"""Anchors of headings, as JupyterLab makes them."""


def slug(title: str) -> str:
    """The heading with hyphens for spaces. Sphinx gives it without formulas."""
    return title.replace(" ", "-")
