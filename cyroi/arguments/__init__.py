"""What operators and gradients do with their arguments before the kernels see them."""
