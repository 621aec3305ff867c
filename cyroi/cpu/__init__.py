"""The compiled part: kernels (`_core`) and the OpenMP run time (`_openmp`)."""
