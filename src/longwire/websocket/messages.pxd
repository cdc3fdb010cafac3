cimport cython

from longwire.websocket.frames cimport Piece


cdef class MessageAssembler:
    cdef public bint is_streaming
    cdef readonly object _inflater
    cdef object _message_bytes_max
    cdef bint _is_open_streaming
    cdef long long _inflated_bytes
    cdef readonly bytearray _buffer
    cdef object _validator
    cdef long long _text_bytes
    cdef object _decoder

    @cython.locals(payload=bytes)
    cpdef object add(self, Piece piece)

    cpdef drop(self)

    cdef bytes _inflate(self, bytes payload, bint is_final)

    cdef _check_text(self, Piece piece, bytes payload)

    cdef object _add_whole(self, Piece piece, bytes payload)

    cdef object _add_streaming(self, Piece piece, bytes payload)
