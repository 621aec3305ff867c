"""What public implementations of the same operators computed, and how to ask them again.

Each ``<peer>.npz`` holds a table of cases with the peer's results, so that the comparisons run where the peer is not
installed. In an environment that has it, ``python -m support.peers.make_values <peer>`` in the folder ``tests`` writes
the file again; NumPy and the peer are all that it needs (for "onnx": onnx and onnxruntime).

`onnx.npz` also holds inputs and expected values of ONNX's own node tests of RoiAlign (Apache-2.0), as `node_tests.py`
reads them from the onnx package.
"""
