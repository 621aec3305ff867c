openmp_version: int
compiler: str
baseline: str
supported: dict[str, bool]

def set_threads(most: int, usual: int) -> None: ...
def threads(wish: int) -> int: ...
