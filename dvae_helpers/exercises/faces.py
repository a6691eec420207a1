"""The checks of notebook 10."""

from typing import Any

import torch

from .checking import call, check, compare, compare_number, number_of, refuse, unchanged


@check
def worth(answer: Any) -> None:
    """worth(images (B, V, P), sigma) -> nats per image that a decoder loses without the factor.

    B faces, each drawn with all V values of one factor, P numbers in an image.
    """
    generator = torch.Generator().manual_seed(101)
    for faces, values, pixels, sigma in ((6, 3, 20, 0.2), (4, 5, 11, 0.5), (9, 2, 7, 0.05)):
        images = torch.rand(faces, values, pixels, generator=generator, dtype=torch.float64)
        before = images.clone()
        value = number_of(call(answer, images, sigma))
        unchanged(images, before, "images")
        squared = (images - images.mean(1, keepdim=True)).square()
        right = squared.mean(1).sum(1).mean() / (2 * sigma**2)
        among_faces = (images - images.mean(0)).square().sum(2).mean() / (2 * sigma**2)
        overall = (images - images.mean((0, 1))).square().sum(2).mean() / (2 * sigma**2)
        refuse(
            value,
            right,
            (2 * right, "the Gaussian has 1/2 in front of the square."),
            (right * sigma, "divide by sigma squared, not by sigma."),
            (2 * right * sigma, "divide by 2 sigma squared."),
            (right / pixels, "you take the mean over the pixels; nats of an image are a sum."),
            (right * values, "you add up the values of the factor; take their mean."),
            (right * faces, "you add up the faces; take their mean."),
            (
                right * values / (values - 1),
                "you divide by V - 1, as if the V values were a sample; they are all there are.",
            ),
            (among_faces, "the mean is over the faces; take it over the values, axis 1."),
            (
                overall,
                "one mean for all faces: then the decoder ignores every factor, not this one.",
            ),
        )
        compare_number(value, float(right), 1e-6 * float(right), "your number of nats")


@check
def latents_of_their_own(answer: Any) -> None:
    """latents_of_their_own(known (K, J), least) -> how many factors have a latent for themselves.

    known: I(z_j; g_k) / H(g_k). A factor has a latent for itself if some latent knows at least
    `least` of it, and less than `least` of every other factor.
    """
    generator = torch.Generator().manual_seed(102)
    for factors, latents, least in ((6, 7, 0.5), (7, 5, 0.4), (5, 9, 0.6)):
        known = 0.3 * torch.rand(factors, latents, generator=generator, dtype=torch.float64)
        for k, j in ((0, 1), (1, 1), (2, 3), (2, 4), (3, 0)):  # 1 is shared, 3 and 4 are copies
            known[k, j] = least + 0.3 * torch.rand((), generator=generator, dtype=torch.float64)
        before = known.clone()
        value = number_of(call(answer, known, least))
        unchanged(known, before, "table")
        knows = known >= least
        right = int((knows & (knows.sum(0) == 1)).any(1).sum())
        refuse(
            value,
            right,
            (
                int(knows.any(1).sum()),
                "you count two factors that share one latent. Look at the other rows, too.",
            ),
            (
                int((knows.sum(0) == 1).sum()),
                "you count latents. A factor with two latents is still one factor.",
            ),
            (
                int((knows & (knows.sum(1, keepdim=True) == 1)).any(1).sum()),
                "a factor may have two latents; what counts is what a *latent* knows: its column.",
            ),
            (int(knows.sum()), "you count cells of the table; count factors."),
        )
        compare_number(value, right, 0, "your number of factors")


@check
def attribute_direction(answer: Any) -> None:
    """attribute_direction(codes, labels) -> (J,): the mean code with the label, less the others'.

    codes: (N, J). labels: (N,) booleans.
    """
    generator = torch.Generator().manual_seed(11)
    for count, width in ((9, 4), (40, 3), (25, 6)):
        codes = torch.randn(count, width, generator=generator, dtype=torch.float64) + 0.3
        labels = torch.rand(count, generator=generator) < 0.35
        labels[:2] = torch.tensor([True, False])
        before = codes.clone()
        result = call(answer, codes, labels)
        unchanged(codes, before, "codes")
        mine, others = codes[labels], codes[~labels]
        right = mine.mean(0) - others.mean(0)
        refuse(
            result,
            right,
            (-right, "the sign is the other way: from the others to the labelled."),
            (mine.mean(0), "that is where the labelled codes lie. Where are the others?"),
            (
                mine.mean(0) - codes.mean(0),
                "subtract the mean of the others, not of all codes.",
            ),
            (mine.sum(0) - others.sum(0), "those are sums: the larger group wins. Use means."),
            (
                mine.mean() - others.mean(),
                "that is one number. Average over the images only, and keep the latents.",
            ),
            (
                right / right.norm(),
                "you made its length 1. The length says how far apart the groups are: keep it.",
            ),
        )
        compare(result, right, "your direction")


@check
def matched_direction(answer: Any) -> None:
    """matched_direction(codes, labels, other) -> (J,): the direction with `other` held fixed.

    codes: (N, J). labels: (N,) booleans. other: (N,) values of another factor, 0 to V - 1, each
    with labelled and other images. The directions within each value, averaged over the values.
    """
    generator = torch.Generator().manual_seed(103)
    for count, width, values in ((40, 4, 2), (60, 3, 4), (90, 6, 3)):
        other = torch.randint(values, (count,), generator=generator)
        labels = torch.rand(count, generator=generator) < 0.2 + 0.6 * (other == values - 1)
        other[: 2 * values] = torch.arange(values).repeat(2)  # both labels in every value
        labels[:values], labels[values : 2 * values] = True, False
        codes = torch.randn(count, width, generator=generator, dtype=torch.float64)
        codes[:, 0] += 2 * other
        before = codes.clone()
        result = call(answer, codes, labels.clone(), other.clone())
        unchanged(codes, before, "codes")
        inside, sizes = [], []
        for v in range(values):
            here = other == v
            inside.append(codes[here & labels].mean(0) - codes[here & ~labels].mean(0))
            sizes.append(float(here.sum()))
        each = torch.stack(inside)
        right = each.mean(0)
        plain = codes[labels].mean(0) - codes[~labels].mean(0)
        weight = torch.tensor(sizes, dtype=torch.float64)[:, None] / count
        refuse(
            result,
            right,
            (plain, "that is the plain direction: images of all values are mixed in it."),
            (-right, "the sign is the other way: from the others to the labelled."),
            (each.sum(0), "you add up the directions; take their mean."),
            (
                (weight * each).sum(0),
                "you weigh the values by how many images they have; here each counts alike.",
            ),
            (each[0], "that is the direction within one value. Average over all of them."),
            (each[-1], "that is the direction within one value. Average over all of them."),
            (each, "those are all directions, one a row. Average them."),
        )
        compare(result, right, "your direction")
