"""The pages of the main window: overview, datasets, problems, activity, log."""
