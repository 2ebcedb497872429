"""The seal of exported files, under the name that the writers of checkpoints and exports know it by."""

from evit_nas.seal import PLACEHOLDER, SEAL_ENTRY, check_seal, seal

__all__ = ["PLACEHOLDER", "SEAL_ENTRY", "check_seal", "seal"]
