cimport cython

from longwire.http.request_received cimport RequestReceived
from longwire.net.http_exchange cimport HttpExchange
from longwire.server.content cimport ContentSelection
from longwire.server.request cimport Request
from longwire.server.request_counts cimport RequestCounts
from longwire.server.response cimport Response, StandingResponse


cdef class Dispatcher:
    cdef object _router
    cdef object _observer
    cdef RequestCounts _counts
    cdef object _cross_origin
    cdef object _address_rates
    cdef ContentSelection _content
    cdef object _form_limits
    cdef object _hosts
    cdef object __weakref__

    @cython.locals(head=RequestReceived, request=Request)
    cpdef handle(self, object exchange)

    cdef _done(self, Request request, object exchange, int status, double started_s)

    cpdef count(
        self, object sender, str method, str path, int status, double started_s, bint is_stream
    )

    cdef _answer_to(self, object error, Request request, object exchange)

    cdef _run(self, Request request, object exchange)

    @cython.locals(direct=HttpExchange)
    cdef bint _send_at_once(self, Request request, object exchange, Response response) except -1

    cdef _demand_rate(self, object address)


cdef class _Again:
    cdef Dispatcher _dispatcher
    cdef object _holds
    cdef str _method
    cdef str _path
    cdef int _status
