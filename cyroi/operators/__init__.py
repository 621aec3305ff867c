"""The operators: a file each, and one for its gradients. `cyroi` exports them."""
