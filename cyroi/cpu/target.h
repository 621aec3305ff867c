/* The tables of kernels of one SIMD target, which its module hands to the driver in capsules.
 *
 * Everything here, and in lanes/, forward/ and backward/, is compiled once per target into a module of its own, from
 * the same source. Templates and inline functions of different targets never meet in one linked object, so a linker
 * cannot merge the code of one into another. */
#ifndef CYROI_CPU_TARGET_H
#define CYROI_CPU_TARGET_H

#include "backward/box_sums.h"
#include "backward/to_maps.h"
#include "backward/turning.h"
#include "call/kernels.h"
#include "forward/items.h"

namespace cyroi {

template <class S>
inline Kernels kernels_for() {
    typedef typename Arithmetic<S>::Type A;
    return Kernels{Lanes<A>::count, cut_box<A>, tabulate_box<A>, scratch_size<A>, run_item<S>};
}

template <class A>
inline GradientKernels kernels_to_maps() {
    return GradientKernels{Lanes<A>::count, turn_for_maps<A>, tabulate_windows<A, 1>, map_scratch<A>, run_region<A>};
}

template <class S>
inline GradientKernels kernels_to_boxes() {
    typedef typename Arithmetic<S>::Type A;
    return GradientKernels{Lanes<A>::count, turn_for_boxes<A>, tabulate_windows<A, 3>, box_scratch<A>, run_boxes<S>};
}

inline const Target* target() {
    static const Target table = {
        {kernels_for<float>(), kernels_for<double>(), kernels_for<Float16>(), kernels_for<BFloat16>(),
         kernels_for<UInt8>(), kernels_for<Int8>(), kernels_for<UInt16>(), kernels_for<Int16>()},
        {kernels_to_maps<float>(), kernels_to_maps<double>()},
        {kernels_to_boxes<float>(), kernels_to_boxes<double>(), kernels_to_boxes<Float16>(),
         kernels_to_boxes<BFloat16>(), kernels_to_boxes<UInt8>(), kernels_to_boxes<Int8>(), kernels_to_boxes<UInt16>(),
         kernels_to_boxes<Int16>()}};
    return &table;
}

}  // namespace cyroi

#endif
