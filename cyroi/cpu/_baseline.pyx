# distutils: language = c++
include "target.pxi"
