"""Pictures: `traverse`, and figures with the parts that they promise."""

import io
import math

import IPython.display
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from dvae_helpers import figures
from dvae_helpers.figures import traverse
from dvae_helpers.models import VAE
from dvae_helpers.training import History


def as_pixels(codes):
    """A decoder that draws the code itself: (V, J) -> (V, 1, 1, J)."""
    return codes[:, None, None, :]


def colour_model():
    return VAE((3, 4, 6), latents=4, architecture="dense", hidden=8, seed=1).eval()


@pytest.fixture(params=["course", "matplotlib"], autouse=True)
def look(request):
    """Every figure is tried in the course's style and in matplotlib's own."""
    with plt.rc_context():
        plt.rcdefaults()
        if request.param == "course":
            figures.style()
        yield request.param
    plt.close("all")


def drawn(figure):
    """The figure, after everything on it was drawn (warnings are errors)."""
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure


class TestTraverse:
    @given(st.integers(1, 6), st.data())
    def test_latent_j_takes_the_values_and_the_others_stay(self, latents, data):
        number = st.floats(-5, 5, width=32)
        z = torch.tensor(data.draw(st.lists(number, min_size=latents, max_size=latents)))
        j = data.draw(st.integers(0, latents - 1))
        values = data.draw(st.lists(number, min_size=1, max_size=7))
        before = z.clone()
        images = traverse(as_pixels, z, j, values)
        assert images.shape == (len(values), 1, 1, latents)
        assert torch.equal(images[:, 0, 0, j], torch.tensor(values))
        rest = [k for k in range(latents) if k != j]
        assert torch.equal(images[:, 0, 0, rest], z[rest].expand(len(values), -1))
        assert torch.equal(z, before)

    def test_works_on_a_model_without_gradients(self):
        model, z = colour_model(), torch.randn(4, generator=torch.Generator().manual_seed(1))
        values = torch.linspace(-2, 2, 5)
        images = traverse(model.pictures, z, 2, values)
        assert images.shape == (5, 3, 4, 6)
        assert not images.requires_grad
        z[2] = values[3]
        torch.testing.assert_close(images[3], model.pictures(z[None])[0].detach())

    @pytest.mark.parametrize("values", [np.linspace(-1, 1, 3), (-1, 0, 1), torch.arange(-1, 2)])
    def test_values_may_be_any_list_of_numbers(self, values):
        images = traverse(as_pixels, torch.zeros(2), 1, values)
        assert images[:, 0, 0, 1].tolist() == [-1, 0, 1]

    @pytest.mark.parametrize("j", [-1, 3, 100])
    def test_a_latent_that_is_not_there_is_refused(self, j):
        with pytest.raises(ValueError, match=f"no latent {j}.*0 to 2"):
            traverse(as_pixels, torch.zeros(3), j, [0.0])

    @pytest.mark.parametrize(
        "values", [[math.nan], [0.0, math.inf], [-math.inf], [], [[0.0, 1.0]], 0.5]
    )
    def test_values_that_are_no_list_of_finite_numbers_are_refused(self, values):
        with pytest.raises(ValueError, match="finite numbers"):
            traverse(as_pixels, torch.zeros(3), 1, values)

    @pytest.mark.parametrize("shape", [(), (2, 3), (1, 3)])
    def test_z_must_be_one_code(self, shape):
        with pytest.raises(ValueError, match=r"one code of shape \(J,\)"):
            traverse(as_pixels, torch.zeros(shape), 0, [0.0])

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_a_code_that_is_not_finite_is_refused(self, bad):
        with pytest.raises(ValueError, match="finite"):
            traverse(as_pixels, torch.tensor([0.0, bad, 1.0]), 0, [0.0, 1.0])


class TestImageGrid:
    @pytest.mark.parametrize(("count", "columns", "places"), [(5, 3, 6), (4, 4, 4), (1, 8, 8)])
    def test_has_one_place_for_each_image(self, count, columns, places):
        images = torch.rand(count, 1, 4, 6, generator=torch.Generator().manual_seed(2))
        captions = [f"image {n}" for n in range(count)]
        figure = drawn(figures.image_grid(images, columns, "A title", captions))
        assert len(figure.axes) == places
        for n, axes in enumerate(figure.axes):
            assert axes.axison == (n < count)
            if n < count:
                (shown,) = axes.images
                np.testing.assert_array_equal(shown.get_array(), images[n, 0])
                assert axes.get_title() == f"image {n}"
        assert figure.get_suptitle() == "A title"

    def test_colour_and_out_of_range_values_are_shown_without_a_warning(self):
        images = 3 * torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(3))
        figure = drawn(figures.image_grid(images, columns=2))
        shown = figure.axes[1].images[0].get_array()
        np.testing.assert_array_equal(shown, images[1].clamp(0, 1).permute(1, 2, 0))

    @pytest.mark.parametrize("constrained", [True, False])
    def test_strips_of_unequal_length_leave_the_places_at_their_end_empty(self, constrained):
        generator = torch.Generator().manual_seed(4)
        rows = [torch.rand(count, 3, 4, 6, generator=generator) for count in (2, 4, 1)]
        with plt.rc_context({"figure.constrained_layout.use": constrained}):
            figure = drawn(figures.strips(rows, ["a", "b", "c"], "A title"))
        assert [axes.get_visible() for axes in figure.axes] == [
            column < len(row) for row in rows for column in range(4)
        ]
        assert [figure.axes[4 * n].get_ylabel() for n in range(3)] == ["a", "b", "c"]
        shown = figure.axes[7].images[0].get_array()
        np.testing.assert_array_equal(shown, rows[1][3].permute(1, 2, 0))
        assert figure.get_suptitle() == "A title"


def test_grey_images_use_the_whole_range_not_their_own():
    """Two constant images: 0.2 must not look like 0.8."""
    _, axes = plt.subplots(1, 2)
    for place, value in zip(axes, (0.2, 0.8), strict=True):
        figures.draw(place, torch.full((1, 4, 6), value))
        assert place.images[0].get_clim() == (0, 1)


class TestFiguresOfModels:
    def test_reconstructions_are_below_their_images(self, tiny):
        model = VAE(tiny.shape, 3, "dense", 8, seed=2).eval()
        index = torch.tensor([4, 17, 9])
        figure = drawn(figures.reconstructions(model, tiny, index))
        assert len(figure.axes) == 6
        images = tiny.images(index)
        with torch.no_grad():
            rebuilt = model.pictures(model.encode(images)[0])
        for n in range(3):
            np.testing.assert_allclose(figure.axes[n].images[0].get_array(), images[n, 0])
            np.testing.assert_allclose(
                figure.axes[3 + n].images[0].get_array(), rebuilt[n, 0], rtol=1e-5
            )
        assert figure.get_suptitle()

    def test_a_traversal_grid_has_a_row_for_each_latent(self):
        model, z = colour_model(), torch.randn(4, generator=torch.Generator().manual_seed(4))
        values = (-1.5, 0.0, 2.0)
        figure = drawn(
            figures.traversal_grid(model, z, [2, 0], values, ["size", "kind"], "A finding")
        )
        assert len(figure.axes) == 6
        places = np.array(figure.axes).reshape(2, 3)
        for row, j in enumerate([2, 0]):
            expected = traverse(model.pictures, z, j, values)
            for column in range(3):
                shown = places[row, column].images[0].get_array()
                np.testing.assert_allclose(shown, expected[column].permute(1, 2, 0), rtol=1e-5)
        assert [places[row, 0].get_ylabel() for row in (0, 1)] == ["size", "kind"]
        assert [axes.get_xlabel() for axes in places[1]] == ["-1.5", "+0.0", "+2.0"]
        assert figure.get_suptitle() == "A finding"

    def test_a_traversal_grid_shows_all_latents_unless_told(self):
        figure = drawn(figures.traversal_grid(colour_model(), torch.zeros(4)))
        assert len(figure.axes) == 4 * 9
        assert [axes.get_ylabel() for axes in figure.axes[::9]] == [f"latent {j}" for j in range(4)]
        assert figure.get_suptitle()

    def test_latents_are_ordered_by_their_mean_kl(self):
        mean = torch.tensor([[0.1, 3.0, 0.0], [-0.1, -1.0, 1.0]])
        log_var = torch.zeros(2, 3)
        order, kl = figures.latent_order(mean, log_var)
        assert order == [1, 2, 0]
        torch.testing.assert_close(kl, torch.tensor([0.005, 2.5, 0.25]))


class TestTrainingCurves:
    def history(self, records=6):
        names = ["distortion", "rate", "mutual_information", "total_correlation", "dimension_kl"]
        rng = np.random.default_rng(5)
        return History(
            [
                {"step": 50.0 * (n + 1), "loss": 9.0}
                | dict(zip(names, rng.normal(size=5) + 3, strict=True))
                for n in range(records)
            ]
        )

    @pytest.mark.parametrize("records", [1, 6])
    def test_every_term_has_a_labelled_curve(self, records):
        history = self.history(records)
        figure = drawn(figures.training_curves(history, "A finding"))
        left, right = figure.axes
        assert left.get_title(loc=plt.rcParams["axes.titlelocation"]) == "A finding"
        for axes, names in (
            (left, {"distortion": "distortion", "rate": "rate"}),
            (
                right,
                {
                    "index-code MI": "mutual_information",
                    "total correlation": "total_correlation",
                    "dimension-wise KL": "dimension_kl",
                },
            ),
        ):
            lines = {line.get_label(): line for line in axes.lines}
            for label, name in names.items():
                np.testing.assert_array_equal(lines[label].get_xdata(), history["step"])
                np.testing.assert_array_equal(lines[label].get_ydata(), history[name])
            assert "nats per image" in axes.get_ylabel()
            assert axes.get_legend() is not None

    def test_an_empty_history_is_refused(self):
        with pytest.raises(ValueError, match="nothing yet"):
            figures.training_curves(History())


def test_show_gives_the_picture_with_its_alt_text_and_closes_the_figure(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda *a, **k: shown.append((a, k)))
    figure, axes = plt.subplots()
    axes.plot([1, 2, 4])
    figures.show(figure, "A line that rises")
    ((((data,), options)),) = shown
    assert data["image/png"].startswith(b"\x89PNG\r\n")
    assert "A line that rises" in data["text/plain"]
    about = options["metadata"]["image/png"]
    assert about == {"alt": "A line that rises", "width": round(100 * figure.get_figwidth())}
    with Image.open(io.BytesIO(data["image/png"])) as picture:
        assert picture.width == 2 * about["width"]
    assert options["raw"] is True
    assert plt.get_fignums() == []


def test_the_colours_differ():
    assert len(set(figures.COLOURS)) == len(figures.COLOURS) == 7


class TestRateDistortion:
    points = {  # noqa: RUF012
        8.0: torch.tensor([[3.0, 50.0], [3.4, 54.0]]),
        1.0: torch.tensor([[10.0, 22.0], [10.4, 23.0], [10.8, 24.0]]),
        2.0: torch.tensor([[8.0, 30.0]]),
    }

    def test_every_run_is_drawn_and_the_line_joins_the_means_in_order_of_beta(self):
        figure = drawn(figures.rate_distortion(self.points, title="A title"))
        (axes,) = figure.axes
        drawn_points = np.concatenate([dots.get_offsets() for dots in axes.collections])
        assert len(drawn_points) == 6
        np.testing.assert_allclose(axes.lines[0].get_xydata(), [[10.4, 23], [8, 30], [3.2, 52]])
        assert [text.get_text() for text in axes.texts] == [rf"$\beta$ = {b}" for b in (1, 2, 8)]

    def test_the_marked_beta_is_larger_and_red_and_given_axes_are_used(self):
        figure, (left, right) = plt.subplots(1, 2)
        assert figures.rate_distortion(self.points, marked=2.0, axes=right) is figure
        assert not left.collections
        sizes = [dots.get_sizes()[0] for dots in right.collections]
        assert sizes[1] > sizes[0] == sizes[2]
        assert [text.get_color() == figures.RED for text in right.texts] == [False, True, False]


def test_a_matrix_shows_every_number_and_stays_legible_on_dark_cells():
    table = torch.tensor([[0.0, 1.0, 0.25], [0.5, 0.9, 0.1]], dtype=torch.float64)
    figure, axes = plt.subplots()
    figures.matrix(axes, table, ["a", "b"], ["p", "q", "r"], "A title")
    assert [text.get_text() for text in axes.texts] == [
        "0.00",
        "1.00",
        "0.25",
        "0.50",
        "0.90",
        "0.10",
    ]
    colours = [text.get_color() for text in axes.texts]
    assert colours == ["black", "white", "black", "black", "white", "black"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["p", "q", "r"]
    figures.matrix(axes, torch.zeros(2, 3), ["a", "b"], ["p", "q", "r"])  # nothing to divide by
    plt.close(figure)


@pytest.mark.parametrize(("channels", "least", "most"), [(3, 1000, math.inf), (1, 2, 256)])
def test_images_in_colour_keep_their_colours_and_others_take_few(
    channels, least, most, monkeypatch
):
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, **more: shown.append(data))
    shades = torch.rand(2, channels, 64, 64, generator=torch.Generator().manual_seed(8))
    figures.show(figures.image_grid(shades, columns=2), "Two images of random shades, side by side")
    with Image.open(io.BytesIO(shown[0]["image/png"])) as picture:
        assert (
            least
            <= len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0))
            <= most
        )


@pytest.mark.parametrize("kind", ["strips", "grid", "sheet", "subfigures"])
@pytest.mark.parametrize("shape", [(3, 23, 23), (1, 64, 64), (3, 12, 31)])
def test_each_pixel_of_an_image_is_a_square_of_whole_pixels(kind, shape, monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda *a, **k: shown.append((a[0], k)))
    channels, height, width = shape
    image = torch.rand(shape, generator=torch.Generator().manual_seed(9)) * 0.8
    if kind == "strips":
        figure = figures.strips([image.repeat(5, 1, 1, 1)], ["a long label"], "A title")
    elif kind == "grid":
        figure = figures.image_grid(image.repeat(7, 1, 1, 1), 4, "A title", ["words"] * 7)
    elif kind == "sheet":
        figure, axes = plt.subplots(figsize=(5, 4))
        figures.draw(axes, image)
        axes.set_yticks([3, 9], ["a", "b"])
    else:
        figure = plt.figure(figsize=(9, 4), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=[1, 1.3])
        left.subplots().plot([1, 2])
        for axes in right.subplots(2, 3).flat:
            figures.draw(axes, image)
    figures.show(figure, "The same image of random shades several times")
    ((data, options),) = shown
    with Image.open(io.BytesIO(data["image/png"])) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    found = 0
    for axes in figure.axes:
        if not axes.images:
            continue
        scale = pixels.shape[1] / figure.bbox.width  # closing it changed its resolution
        (left, low), (right, high) = (axes.get_window_extent().get_points() * scale).round()
        times, left, top = int(right - left) // width, int(left), pixels.shape[0] - int(high)
        assert (right - left, high - low) == (times * width, times * height)
        tile = pixels[top : top + times * height, left : left + times * width]
        blocks = tile.reshape(height, times, width, times, 3)
        assert (blocks == blocks[:, :1, :, :1]).all()
        wanted = (image.permute(1, 2, 0).expand(-1, -1, 3) * 255).numpy()
        assert np.abs(blocks[:, 0, :, 0] - wanted).max() <= (1 if channels == 3 else 4)
        in_a_page = options["metadata"]["image/png"]["width"] / pixels.shape[1]
        assert options["metadata"]["image/png"]["tile"] == pytest.approx(
            in_a_page * times * width, abs=1
        )
        found += 1
    assert found >= 1
