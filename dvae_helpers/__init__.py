"""The code behind the course: images, models, objectives, training, scores, pictures.

Each module imports only from those below it: `tool.importlinter` in pyproject.toml has the order.
"""

__version__ = "1.0.0"
