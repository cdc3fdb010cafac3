cdef class WheelEntry:
    cdef public object deadline
    cdef public object wheel_slot


cdef class TimerWheel:
    cdef object _loop
    cdef object _clock
    cdef dict _slots
    cdef list _heap
    cdef object _handle
    cdef long long _handle_slot
    cdef bint _has_waited

    cpdef set(self, WheelEntry entry, object when)

    cpdef discard(self, WheelEntry entry)

    cdef _put(self, WheelEntry entry, object slot)
