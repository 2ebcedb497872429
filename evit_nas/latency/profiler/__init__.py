"""Measuring kernels and networks on a device."""
