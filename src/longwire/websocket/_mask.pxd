cimport cython


@cython.locals(
    count=Py_ssize_t,
    source="const unsigned char *",
    target="unsigned char *",
    index=Py_ssize_t,
    key0="unsigned char",
    key1="unsigned char",
    key2="unsigned char",
    key3="unsigned char",
    made=bytes,
)
cpdef bytes mask_range(
    const unsigned char *data, Py_ssize_t start, Py_ssize_t stop, const unsigned char *key
)
