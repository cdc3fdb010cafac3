cimport cython

from longwire.http.response_fields cimport ResponseFields, read_fields


cdef object _NO_BODY, _LENGTH, _CHUNKED, _CLOSE
cdef Py_ssize_t _JOINED_BYTES_MAX, _SHARED_BYTES_MAX
cdef bytes _last_data, _last_chunk
cdef dict _status_lines


cdef bytes _join_chunk(bytes data)

cpdef bytes shared_chunk(bytes data)


@cython.locals(line=str)
cdef str _status_line(int status)


cdef class ResponseWriter:
    cdef object _framing
    cdef bint _is_head
    cdef object _remaining
    cdef str _version
    cdef readonly bint ended
    cdef readonly bint is_broken
    cdef readonly bint keep_alive
    cdef readonly bint started

    @cython.locals(lines=list, fields=ResponseFields)
    cpdef bytes start(
        self,
        int status,
        object headers,
        object body_bytes,
        bint keep_alive,
        object server,
        object date,
    )

    cpdef bint shares_pieces(self) except -1

    cpdef list whole(self, bytes head, bytes body)

    cdef _choose_framing(self, int status, object length, object body_bytes)

    cdef _announced_length(self, int status, object framing, object length, object body_bytes)
