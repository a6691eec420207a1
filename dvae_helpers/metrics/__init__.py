"""The field's scores of a code: one file a score, one registry (`SCORES`), one door for input.

Axes: n image, j latent, k factor, v factor value. Every score is larger for a better code, except
the errors of DCI's regressors. To add one, write its file, with its line of the registry at the
end, and name it in `registry.py`.
"""

from .difference_classifier import beta_vae_score
from .disentanglement import DCI, REGRESSORS, dci, importance_scores, importances
from .information import binned_information, entropies, exact_information
from .information_ratios import InfoMEC, infomec, infomec_exact
from .interval import Interval, interval
from .latent_gap import mig_sup_exact
from .least_variance import factor_vae_score
from .mutual_information_gap import Gap, mig, mig_exact
from .readable import explicitness
from .record import Column, Sample, Score
from .registry import COLUMNS, MEANING, SCORES, as_markdown
from .separated_predictability import sap
from .squared_ratio import modularity
from .table import Scores, score, score_codes

__all__ = ["COLUMNS", "DCI", "MEANING", "REGRESSORS", "SCORES", "Column", "Gap", "InfoMEC"]
__all__ += [
    "Interval",
    "Sample",
    "Score",
    "Scores",
    "as_markdown",
    "beta_vae_score",
    "binned_information",
    "dci",
]
__all__ += ["entropies", "exact_information", "explicitness", "factor_vae_score"]
__all__ += ["importance_scores", "importances", "infomec", "infomec_exact", "interval", "mig"]
__all__ += ["mig_exact", "mig_sup_exact", "modularity", "sap", "score", "score_codes"]
