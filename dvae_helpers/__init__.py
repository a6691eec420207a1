"""The code behind the course: images, models, objectives, training, pictures.

Each module imports only from those before it in this list:
files, factors, sprites, fruits, faces, datasets, models, zoo, quadrature, estimators,
adversaries, objectives, pairs, training, metrics, sweep, combinations, referee,
studies, codes, figures, page, pages, widgets, exercises, slides, site, handout, doctor, bench.
"""

__version__ = "0.1.0"
