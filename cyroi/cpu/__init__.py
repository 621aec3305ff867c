"""The compiled part: planning and threads (`_separable`), kernels per SIMD target, and what this CPU has (`_host`)."""
