"""What will run, as data: operators first, kernels second."""
