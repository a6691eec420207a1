"""The checks behind the students' exercises: one function for each, one module for each notebook.

In the notebook: `exercises.gaussian_kl(my_kl)`. It prints "Not answered yet", "Right" or what
differs, and never the answer. Functions are tried on random input with unequal sizes.
`exercises.hint("gaussian_kl")` gives the next of three hints, `exercises.progress()` says what is
done and what is next.
"""

# ruff: noqa: F401 - the names are for the notebooks

from .adversarial_relatives import (
    fair_comparison,
    lower_bound,
    repaired_losses,
    repaired_shuffle,
    unequal_classes,
)
from .beta_vae_lagrangian import constrained_step, price_with_sleepers, spare_budget, water_filling
from .checking import required
from .comparing_models import (
    paired_interval,
    rank_agreement,
    shares,
    turned_posteriors,
    wrong_winner,
)
from .dci import both_scores, extremes, normalised_error, own_score, row_score
from .faces import attribute_direction, latents_of_their_own, matched_direction, worth
from .hints import hint
from .mutual_information_gap import blind_spot, entropy, gap, mutual_information, why_the_gap
from .new_combinations import (
    after_rotation,
    all_right,
    another_way,
    set_latents,
    unseen_pairs,
)
from .progress import progress
from .start_here import grid_size, move_one, unused_latents
from .total_correlation import (
    joint_and_product,
    price_of_a_turn,
    repaired_weights,
    table_total_correlation,
)
from .vae_and_elbo import elbo_from_samples, gaussian_kl, paper_beta, repaired_loss, reparameterise
from .what_is_disentanglement import centre, shares_of_mixture, small_black_apples, training_images
