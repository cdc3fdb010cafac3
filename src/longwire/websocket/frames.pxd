cimport cython

from longwire.websocket._mask cimport mask_range


cdef int _CONTINUATION, _TEXT, _BINARY, _CLOSE, _PONG, _CONTROL_BYTES_MAX


cdef class Piece:
    cdef readonly bytes payload
    cdef readonly bint is_text
    cdef readonly bint is_compressed
    cdef readonly bint is_first
    cdef readonly bint is_final


cdef class ControlFrame:
    cdef readonly int opcode
    cdef readonly bytes payload


cdef class FrameParser:
    cdef public bint emits_pieces
    cdef readonly object failure
    cdef readonly bint has_only_messages
    cdef bint _is_server
    cdef bint _allows_rsv1
    cdef long long _message_bytes_max
    cdef long long _frame_bytes_max
    cdef long long _fragments_max
    cdef bint _is_finished
    cdef bytes _held
    cdef bint _is_in_message
    cdef bint _is_text
    cdef bint _is_compressed
    cdef bint _is_first_piece
    cdef long long _fragments
    cdef long long _message_bytes
    cdef bint _is_final_frame
    cdef long long _remaining
    cdef bytes _key

    cpdef list receive(self, bytes data)

    @cython.locals(
        offset=Py_ssize_t,
        start=Py_ssize_t,
        available=Py_ssize_t,
        header_bytes=Py_ssize_t,
        payload_bytes="long long",
        first=int,
        second=int,
        is_masked=bint,
        is_server=bint,
        payload=bytes,
    )
    cdef int _scan(self, const unsigned char *data, Py_ssize_t length, list items) except -1

    @cython.locals(payload=bytes)
    cdef bint _take_message(
        self, const unsigned char *data, Py_ssize_t start, Py_ssize_t stop, list items
    ) except *

    @cython.locals(count=Py_ssize_t, stop=Py_ssize_t, turn=int, payload=bytes)
    cdef Py_ssize_t _take_payload(
        self, const unsigned char *data, Py_ssize_t offset, Py_ssize_t length, list items
    ) except -1

    @cython.locals(is_final=bint)
    cdef int _add_piece(self, bytes payload, list items) except -1

    @cython.locals(opcode=int)
    cdef bint _check_header(self, int first, bint is_masked, long long payload_bytes) except *

    @cython.locals(length="long long", minimum="long long", position=Py_ssize_t)
    cdef long long _read_length(
        self, const unsigned char *data, Py_ssize_t offset, long long announced
    ) except? -1

    @cython.locals(opcode=int, total=object)
    cdef bint _begin_data_frame(self, int first, long long payload_bytes) except *


@cython.locals(bits="unsigned long long", header=bytes)
cpdef bytes encode_header(int first, Py_ssize_t payload_bytes, bytes mask)

@cython.locals(
    count="long long",
    length_bytes=int,
    index=int,
    made=bytes,
    target="unsigned char *",
)
cpdef bytes seal(int first, bytes payload, bytes mask)
