cdef dict _known

cpdef check_stream_name(name, bint is_reserved_allowed=*)
