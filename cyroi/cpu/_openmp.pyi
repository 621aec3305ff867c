openmp_version: int
compiler: str
baseline: str

def max_threads() -> int: ...
