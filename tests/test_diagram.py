"""The picture of a VAE: its parts, and which of them is drawn strongly."""

import matplotlib.pyplot as plt
import pytest

from dvae_helpers import diagram


@pytest.mark.parametrize("marked", ["", *diagram.TERMS])
def test_all_parts_are_named_and_only_the_marked_term_is_strong(marked):
    figure = diagram.vae(marked, "A title")
    figure.canvas.draw()
    texts = {text.get_text(): text.get_alpha() for text in figure.axes[0].texts if text.get_text()}
    for part in ("encoder", "decoder", "mean", "spread", "z = m"):
        assert any(part in text for text in texts)
    for term in diagram.TERMS:
        (strength,) = (alpha for text, alpha in texts.items() if text.startswith(term))
        assert (strength == 1) == (marked in ("", term))
    assert figure.get_suptitle() == "A title"
    plt.close(figure)


def test_nothing_lies_outside_of_the_picture():
    figure = diagram.vae()
    figure.canvas.draw()
    frame = figure.bbox
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= frame.x0 - 1
        assert box.x1 <= frame.x1 + 1
        assert box.y0 >= frame.y0 - 1
        assert box.y1 <= frame.y1 + 1
    plt.close(figure)


def test_without_the_loss_only_the_way_is_drawn():
    figure = diagram.vae(loss=False)
    texts = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "encoder" in texts
    assert "noise" in texts
    assert "rate" not in texts
    plt.close(figure)


def test_an_unknown_term_is_refused():
    with pytest.raises(ValueError, match="choose one of distortion, rate, noise"):
        diagram.vae("kl")
