/* One call writes the same bytes to many sockets.
 *
 * Optional: hornet/engine/sockets.py goes without it. It knows nothing of transports, sessions or order: the
 * caller says which sockets have nothing older on its way, and does the rest with what they did not take.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <limits.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: Python ignores SIGPIPE */
#endif

#define MOST 1024 /* Sockets in one call: their numbers live on the stack. */

PyDoc_STRVAR(send_each_doc,
"send_each(sockets, data, /)\n--\n\n"
"Send ``data`` to each socket of a list of file numbers, without waiting for any of them.\n\n"
"Returns a list of (index, sent) of those that did not take all of it: how many bytes they took,\n"
"0 where there was an error. The numbers must be of open stream sockets until this returns.\n\n"
"Raises:\n"
"    ValueError: there are more than MOST sockets; nothing was sent.");

static PyObject *
send_each(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int sockets[MOST];
    ssize_t sent[MOST];
    Py_buffer data;
    Py_ssize_t count, short_of_all = 0;

    (void)module;
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "send_each takes a list of file numbers, and bytes");
        return NULL;
    }
    if (!PyList_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "the sockets must be a list of file numbers");
        return NULL;
    }
    count = PyList_Size(args[0]);
    if (count > MOST) {
        PyErr_Format(PyExc_ValueError, "more than %d sockets", MOST);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        long number = PyLong_AsLong(PyList_GetItem(args[0], i));
        if (number == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (number < 0 || number > INT_MAX) {
            PyErr_SetString(PyExc_ValueError, "not a file number");
            return NULL;
        }
        sockets[i] = (int)number;
    }
    if (PyObject_GetBuffer(args[1], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }

    /* Only numbers and bytes below: no object is touched without the interpreter's lock. */
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count; i++) {
        sent[i] = send(sockets[i], data.buf, (size_t)data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent[i] != data.len) {
            short_of_all++;
        }
    }
    Py_END_ALLOW_THREADS

    PyObject *rest = PyList_New(short_of_all);
    for (Py_ssize_t i = 0, at = 0; rest != NULL && at < short_of_all; i++) {
        if (sent[i] != data.len) {
            PyObject *entry = Py_BuildValue("(nn)", i, (Py_ssize_t)(sent[i] < 0 ? 0 : sent[i]));
            if (entry == NULL) {
                Py_CLEAR(rest);
                break;
            }
            PyList_SetItem(rest, at++, entry);
        }
    }
    PyBuffer_Release(&data);
    return rest;
}

static PyMethodDef methods[] = {
    {"send_each", (PyCFunction)(void (*)(void))send_each, METH_FASTCALL, send_each_doc},
    {NULL, NULL, 0, NULL},
};

static int
fill(PyObject *module)
{
    return PyModule_AddIntConstant(module, "MOST", MOST);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, fill},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "hornet.engine._sockets",
    .m_doc = "One call writes the same bytes to many sockets.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__sockets(void)
{
    return PyModuleDef_Init(&definition);
}
