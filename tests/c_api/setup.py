"""Builds an extension module in Cython and one in C, both of which call cyroi without the GIL."""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

import cyroi

OPENMP = ["-fopenmp"] if sys.platform.startswith("linux") else []  # elsewhere prange runs serially

setup(
    ext_modules=[
        *cythonize([Extension("pooling", ["pooling.pyx"], extra_compile_args=OPENMP, extra_link_args=OPENMP)]),
        Extension("crops", ["crops.c"], include_dirs=[cyroi.get_include()]),
    ],
)
