"""Run folders, figures and the page."""
