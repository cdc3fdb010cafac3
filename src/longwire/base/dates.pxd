cdef class DateSource:
    cdef double _second
    cdef str _text
    cdef object _wall_clock
