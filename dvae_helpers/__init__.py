"""The code behind the course: images, models, objectives, training, pictures.

Each module imports only from the ones before it in this list:
factors, sprites, fruits, faces, datasets, models, zoo, estimators, adversaries, objectives,
training, information, importances, metrics, sweep, figures, widgets, exercises.
"""

__version__ = "0.1.0"
