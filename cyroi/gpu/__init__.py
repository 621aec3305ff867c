"""The operators on a CUDA device, through CuPy. Imported by the first call that has an array there."""
