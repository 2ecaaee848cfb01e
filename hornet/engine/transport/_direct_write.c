/* One call writes the same bytes to many sockets.
 *
 * This part is optional: hornet/engine/transport/direct_write.py works without it. It knows nothing of transports,
 * sessions or order: the leases say which sockets have no older bytes on their way, and the caller sees to the
 * others.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <sys/socket.h>
#include <sys/types.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: Python ignores SIGPIPE */
#endif

#define MOST 1024 /* Sockets in one call: their results are on the stack. */
#define NOT_TRIED (-1)

typedef unsigned long long lease; /* 'Q' of Python's array */

PyDoc_STRVAR(send_each_doc,
"send_each(sockets, leases, valid, start, stop, data, /)\n--\n\n"
"Send ``data`` to each socket from ``start`` to ``stop``, without waiting for any of them.\n\n"
"``sockets`` are file numbers (an array of type 'i'), with a lease for each (type 'Q'). A socket is tried\n"
"only if its number is not negative and its lease is not 0 and equal to the entry of that number in\n"
"``valid`` (type 'Q'). Each number with such a lease must be of an open stream socket until this returns.\n\n"
"Returns a list of (index, sent) for each socket that did not take all the bytes: how many it took,\n"
"0 after an error, -1 if it was not tried.\n\n"
"Raises:\n"
"    ValueError: the arrays don't fit each other, or more than MOST sockets; nothing was sent.");

static int
get_array(PyObject *object, Py_ssize_t itemsize, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, PyBUF_CONTIG_RO | PyBUF_FORMAT) < 0) {
        return -1;
    }
    if (view->itemsize != itemsize) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_ValueError, "an array of another type");
        return -1;
    }
    return 0;
}

/* Fills ``sent`` and returns how many sockets did not take all. It touches no Python object, so it needs no lock. */
static Py_ssize_t
send_all(const int *sockets, const lease *leases, Py_ssize_t count, const Py_buffer *valid,
         const Py_buffer *data, ssize_t *sent)
{
    const lease *passing = valid->buf;
    const Py_ssize_t numbers = valid->len / (Py_ssize_t)sizeof(lease);
    Py_ssize_t short_of_all = 0;

    for (Py_ssize_t i = 0; i < count; i++) {
        const int number = sockets[i];
        if (number < 0 || number >= numbers || !leases[i] || passing[number] != leases[i]) {
            sent[i] = NOT_TRIED;
            short_of_all++;
            continue;
        }
        sent[i] = send(number, data->buf, (size_t)data->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent[i] != data->len) {
            sent[i] = sent[i] < 0 ? 0 : sent[i];
            short_of_all++;
        }
    }
    return short_of_all;
}

static PyObject *
list_rest(const ssize_t *sent, Py_ssize_t start, Py_ssize_t short_of_all, Py_ssize_t all)
{
    PyObject *rest = PyList_New(short_of_all);

    for (Py_ssize_t i = 0, at = 0; rest != NULL && at < short_of_all; i++) {
        if (sent[i] != all) {
            PyObject *entry = Py_BuildValue("(nn)", start + i, (Py_ssize_t)sent[i]);
            if (entry == NULL) {
                Py_CLEAR(rest);
                break;
            }
            PyList_SetItem(rest, at++, entry);
        }
    }
    return rest;
}

static PyObject *
send_each(PyObject *module, PyObject *args)
{
    PyObject *numbers, *shown, *known, *rest = NULL;
    Py_buffer sockets, leases, valid, data;
    Py_ssize_t start, stop, short_of_all;
    ssize_t sent[MOST];

    (void)module;
    if (!PyArg_ParseTuple(args, "OOOnny*:send_each", &numbers, &shown, &known, &start, &stop, &data)) {
        return NULL;
    }
    if (get_array(numbers, sizeof(int), &sockets) < 0) {
        goto no_sockets;
    }
    if (get_array(shown, sizeof(lease), &leases) < 0) {
        goto no_leases;
    }
    if (get_array(known, sizeof(lease), &valid) < 0) {
        goto no_valid;
    }
    if (start < 0 || stop < start || stop > sockets.len / (Py_ssize_t)sizeof(int)
        || stop > leases.len / (Py_ssize_t)sizeof(lease)) {
        PyErr_SetString(PyExc_ValueError, "there are no such sockets, or leases");
    }
    else if (stop - start > MOST) {
        PyErr_Format(PyExc_ValueError, "more than %d sockets", MOST);
    }
    else {
        Py_BEGIN_ALLOW_THREADS
        short_of_all = send_all((const int *)sockets.buf + start, (const lease *)leases.buf + start,
                                stop - start, &valid, &data, sent);
        Py_END_ALLOW_THREADS
        rest = list_rest(sent, start, short_of_all, data.len);
    }
    PyBuffer_Release(&valid);
no_valid:
    PyBuffer_Release(&leases);
no_leases:
    PyBuffer_Release(&sockets);
no_sockets:
    PyBuffer_Release(&data);
    return rest;
}

static PyMethodDef methods[] = {
    {"send_each", send_each, METH_VARARGS, send_each_doc},
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
    .m_name = "hornet.engine.transport._direct_write",
    .m_doc = "One call writes the same bytes to many sockets.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__direct_write(void)
{
    return PyModuleDef_Init(&definition);
}
