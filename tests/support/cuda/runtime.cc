/* What all kernels are linked with, compiled once. */
#include "launch.h"

namespace cuda_on_cpu {

Block block;

}  // namespace cuda_on_cpu
