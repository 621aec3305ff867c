/* cyroi for C and C++: the functions, what they return, and how to get them at run time. docs/c_api.md documents them.
 *
 *     #include <Python.h>
 *     #include "cyroi/c_api.h"                     the folder is cyroi.get_include()
 *
 *     static cyroi_functions cyroi;
 *     if (cyroi_import(&cyroi) < 0) return NULL;   once, with the GIL, where the module is initialised
 *
 * Decisions
 * a) Nothing is linked: the functions come out of the capsules in `cyroi.__pyx_capi__`, as they do for Cython.
 * b) The name of a capsule is the function's signature. It is compared, so that a module that was compiled for another
 *    signature is refused when it is imported and not when it crashes.
 * c) No static data: who includes this file in several places shares one `cyroi_functions`, or has several.
 *
 * Compiled by users, in C or C++; the package itself reads the codes only. */
#ifndef CYROI_C_API_H
#define CYROI_C_API_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

/* What the functions return. Nothing was written to `out` unless it is CYROI_OK. */
enum {
    CYROI_OK = 0,
    CYROI_NULL_POINTER = 1, /* a pointer is NULL that may not be */
    CYROI_BAD_SIZE = 2,     /* a negative or too large size, or an output size below 1 */
    CYROI_BAD_STRIDES = 3,  /* unaligned; maps whose innermost stride is not one element; an out that overlaps itself */
    CYROI_BAD_ARGUMENT = 4, /* layout, method, spatial_scale or sampling_ratio out of its range */
    CYROI_BAD_BOX = 5,      /* a coordinate that is NaN or infinite */
    CYROI_BAD_INDEX = 6,    /* an image index outside [0, N) */
    CYROI_OVERLAP = 7,      /* out and the maps share memory */
    CYROI_NO_MEMORY = 8     /* memory to work in cannot be allocated */
};

enum { CYROI_NCHW = 0, CYROI_NHWC = 1 };        /* layout */
enum { CYROI_BILINEAR = 0, CYROI_NEAREST = 1 }; /* method */

typedef struct {
    int (*roi_align_float)(const float* input, const Py_ssize_t* input_shape, const Py_ssize_t* input_strides,
                           const float* boxes, const int64_t* batch_indices, Py_ssize_t count, Py_ssize_t output_height,
                           Py_ssize_t output_width, double spatial_scale, Py_ssize_t sampling_ratio, int aligned,
                           int layout, float* out, const Py_ssize_t* out_strides, int num_threads);
    int (*roi_align_double)(const double* input, const Py_ssize_t* input_shape, const Py_ssize_t* input_strides,
                            const double* boxes, const int64_t* batch_indices, Py_ssize_t count,
                            Py_ssize_t output_height, Py_ssize_t output_width, double spatial_scale,
                            Py_ssize_t sampling_ratio, int aligned, int layout, double* out,
                            const Py_ssize_t* out_strides, int num_threads);
    int (*crop_and_resize_float)(const float* image, const Py_ssize_t* image_shape, const Py_ssize_t* image_strides,
                                 const float* boxes, const int64_t* box_indices, Py_ssize_t count,
                                 Py_ssize_t crop_height, Py_ssize_t crop_width, int method, double extrapolation_value,
                                 int layout, float* out, const Py_ssize_t* out_strides, int num_threads);
    int (*crop_and_resize_double)(const double* image, const Py_ssize_t* image_shape, const Py_ssize_t* image_strides,
                                  const double* boxes, const int64_t* box_indices, Py_ssize_t count,
                                  Py_ssize_t crop_height, Py_ssize_t crop_width, int method, double extrapolation_value,
                                  int layout, double* out, const Py_ssize_t* out_strides, int num_threads);
} cyroi_functions;

#define CYROI_COMMON_SIGNATURE(T)                                    \
    "int (" T " const *, Py_ssize_t const *, Py_ssize_t const *, " T \
    " const *, int64_t const *, Py_ssize_t, Py_ssize_t, Py_ssize_t, "
#define CYROI_ROI_ALIGN_SIGNATURE(T) \
    CYROI_COMMON_SIGNATURE(T) "double, Py_ssize_t, int, int, " T " *, Py_ssize_t const *, int)"
#define CYROI_CROP_AND_RESIZE_SIGNATURE(T) \
    CYROI_COMMON_SIGNATURE(T) "int, double, int, " T " *, Py_ssize_t const *, int)"

/* Copies one pointer to a function to `function`; -1 with a Python exception where there is none of this signature. */
static inline int cyroi_import_one(PyObject* capsules, const char* name, const char* signature,
                                   void* function /* OUT */) {
    PyObject* capsule = PyMapping_GetItemString(capsules, name);
    void* pointer = NULL;
    if (capsule != NULL && PyCapsule_IsValid(capsule, signature)) pointer = PyCapsule_GetPointer(capsule, signature);
    if (pointer == NULL) {
        PyErr_Format(PyExc_ImportError, "the installed cyroi has no C function %s with the signature %s", name,
                     signature);
    } else {
        memcpy(function, &pointer, sizeof pointer); /* C has no cast from a pointer to data */
    }
    Py_XDECREF(capsule);
    return pointer == NULL ? -1 : 0;
}

/* Imports cyroi and fills `functions`; 0, or -1 with a Python exception set. Needs the GIL. */
static inline int cyroi_import(cyroi_functions* functions /* OUT */) {
    PyObject *module = PyImport_ImportModule("cyroi"), *capsules = NULL;
    int failed = -1;
    if (module != NULL) capsules = PyObject_GetAttrString(module, "__pyx_capi__");
    if (capsules != NULL) {
        failed = cyroi_import_one(capsules, "roi_align_float", CYROI_ROI_ALIGN_SIGNATURE("float"),
                                  &functions->roi_align_float) ||
                 cyroi_import_one(capsules, "roi_align_double", CYROI_ROI_ALIGN_SIGNATURE("double"),
                                  &functions->roi_align_double) ||
                 cyroi_import_one(capsules, "crop_and_resize_float", CYROI_CROP_AND_RESIZE_SIGNATURE("float"),
                                  &functions->crop_and_resize_float) ||
                 cyroi_import_one(capsules, "crop_and_resize_double", CYROI_CROP_AND_RESIZE_SIGNATURE("double"),
                                  &functions->crop_and_resize_double);
    }
    Py_XDECREF(capsules);
    Py_XDECREF(module);
    return failed ? -1 : 0;
}

#endif
