"""The programs that made what `data/` ships: one file a study, `python -m dvae_helpers.studies`."""
