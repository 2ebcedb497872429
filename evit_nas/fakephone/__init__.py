"""A stand-in phone on loopback, for the real adb client: the device side of adb, a small Android and its clock.

It shares nothing with what profiles it: costs come from a reader of its own, and it is known by its build fingerprint.
"""
