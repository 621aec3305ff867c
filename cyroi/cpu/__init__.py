"""The compiled part: planning and threads (`_core`), kernels per SIMD target, and what this CPU has (`_host`)."""
