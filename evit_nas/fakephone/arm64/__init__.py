"""Programs for Android on 64-bit Arm, run for real under qemu-user."""
