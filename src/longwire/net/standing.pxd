cimport cython

from longwire.base.dates cimport DateSource


cdef class StandingAnswers:
    cdef dict _answers
    cdef DateSource _date
    cdef str _text

    @cython.locals(found=tuple, output=bytes)
    cpdef bytes give(self, bytes data, str scheme, object link)

    cpdef keep(self, bytes data, str scheme, bytes output, object again)
