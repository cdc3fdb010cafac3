cdef int _CONTROL_BYTES_MAX

cpdef bytes as_bytes(object data)

cpdef bytes encode_text(str data)

cpdef tuple encode_payload(object data, object text)
