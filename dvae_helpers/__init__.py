"""The code behind the course: images, models, objectives, training, pictures.

Each module imports only from those before it in this list:
files, factors, sprites, fruits, faces, dsprites_file, datasets, models, zoo, estimators,
adversaries, objectives, pairs, training, information, importances, metrics, sweep, combinations,
referee, studies, figures, pages, widgets, exercises, slides, handout, doctor, bench, commands.
"""

__version__ = "0.1.0"
