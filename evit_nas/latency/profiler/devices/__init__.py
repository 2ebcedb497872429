"""Devices that models can be timed on."""
