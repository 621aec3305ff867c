"""Times cyroi beside its peers and beside the memory floor: `ci/bench.sh` makes the environment and runs it.

All contenders compute the same workload in one process and take turns, so that a slow minute of the machine hits all
of them. Before anything is timed, their results must agree.
"""
