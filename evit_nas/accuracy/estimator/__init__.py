"""Accuracy of networks that nobody has trained yet, with an interval: sources behind one protocol."""
