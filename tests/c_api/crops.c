#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cyroi/c_api.h"

static cyroi_functions cyroi;

static int is_float32(const Py_buffer* buffer, int ndim) {
    return buffer->ndim == ndim && buffer->itemsize == sizeof(float);
}

/* Crops of one image (1, H, W, C), boxes (K, 4), into out (K, height, width, C); gives the code of cyroi. */
static int crop_buffers(const Py_buffer* image, const Py_buffer* boxes, const Py_buffer* out) {
    int code;
    if (!is_float32(image, 4) || !is_float32(boxes, 2) || !is_float32(out, 4) || !PyBuffer_IsContiguous(boxes, 'C') ||
        boxes->shape[1] != 4 || boxes->shape[0] != out->shape[0] || image->shape[3] != out->shape[3]) {
        return CYROI_BAD_SIZE;
    }
    Py_BEGIN_ALLOW_THREADS;
    code = cyroi.crop_and_resize_float((const float*)image->buf, image->shape, image->strides, (const float*)boxes->buf,
                                       NULL, boxes->shape[0], out->shape[1], out->shape[2], CYROI_BILINEAR, 0.0,
                                       CYROI_NHWC, (float*)out->buf, out->strides, 0);
    Py_END_ALLOW_THREADS;
    return code;
}

/* crop(image, boxes, out), with anything that exports a buffer. */
static PyObject* crop(PyObject* module, PyObject* args) {
    static const int flags[3] = {PyBUF_STRIDED_RO, PyBUF_STRIDED_RO, PyBUF_STRIDED};
    PyObject* objects[3];
    Py_buffer buffers[3];
    int got = 0, code = CYROI_OK;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOO", &objects[0], &objects[1], &objects[2])) return NULL;
    while (got < 3 && PyObject_GetBuffer(objects[got], &buffers[got], flags[got]) == 0) got++;
    if (got == 3) code = crop_buffers(&buffers[0], &buffers[1], &buffers[2]);
    while (got > 0) PyBuffer_Release(&buffers[--got]);
    return PyErr_Occurred() ? NULL : PyLong_FromLong(code);
}

static PyMethodDef methods[] = {{"crop", crop, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "crops", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_crops(void) {
    if (cyroi_import(&cyroi) < 0) return NULL;
    return PyModule_Create(&definition);
}
