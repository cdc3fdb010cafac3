from longwire.net.timers cimport WheelEntry


cdef object _NEW, _OPEN, _DRAINING, _ENDED


cdef class NativeSession(WheelEntry):
    cdef public object address
    cdef public object attachment
    cdef public object calls
    cdef public object client
    cdef public object flights
    cdef public object format
    cdef public bint has_inbox_unasked
    cdef public bint is_kept
    cdef public object name
    cdef public object patterns
    cdef public object presence
    cdef public object principal
    cdef public object state
    cdef public object wire
    cdef public object workers
    cdef object __weakref__
    cdef int _bad_messages
    cdef int _beats_silent
    cdef object _counted_user
    cdef object _expires_s
    cdef object _gateway
    cdef bint _has_received
    cdef bint _has_task_begun
    cdef long long _held_bytes_max
    cdef bint _is_output_full
    cdef bint _is_reading_paused
    cdef object _next_beat_s
    cdef object _queue
    cdef object _rate
    cdef double _rate_left
    cdef double _rate_s
    cdef object _taken_at_beat
    cdef object _task

    cpdef receive(self, message, now)

    cpdef answer(self, message)

    cdef _take(self, message)

    cdef _demand_rate(self, now)

    cpdef _adjust_reading(self)
