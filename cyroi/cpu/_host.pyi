openmp_version: int
compiler: str
baseline: str
supported: dict[str, bool]

def max_threads() -> int: ...
