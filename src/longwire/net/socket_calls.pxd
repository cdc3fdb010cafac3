cimport cython


cdef extern from "<sys/uio.h>":
    struct iovec:
        void *iov_base
        size_t iov_len


cdef extern from "<sys/socket.h>":
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen

    struct sockaddr:
        pass

    struct sockaddr_storage:
        pass

    ctypedef unsigned int socklen_t

    int MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_NONBLOCK, SOCK_CLOEXEC
    int accept4(int, sockaddr *, socklen_t *, int)
    Py_ssize_t recv(int, void *, size_t, int)
    Py_ssize_t send(int, const void *, size_t, int)
    Py_ssize_t sendmsg(int, const msghdr *, int)


cdef int _EAGAIN, _EINTR, _ECONNABORTED
cdef Py_ssize_t _JOIN_BYTES_MAX, _RECEIVE_BYTES, _SEND_BUFFERS_MAX


@cython.locals(code=int)
cdef Py_ssize_t _count_or_raise(Py_ssize_t sent) except -1


cdef class SocketCalls:
    cdef bytearray _buffer
    cdef bytearray _joined
    cdef object _ring
    cdef iovec _pieces[64]
    cdef msghdr _message
    cdef sockaddr_storage _peer

    @cython.locals(size=socklen_t, descriptor=int, code=int, peer="char *")
    cpdef object accept(self, object listening)

    @cython.locals(memory="char *", count=Py_ssize_t, code=int)
    cpdef bytes receive(self, int descriptor, Py_ssize_t count_max)

    cpdef Py_ssize_t send(self, int descriptor, list buffers, Py_ssize_t skipped) except -1

    cpdef Py_ssize_t send_one(self, int descriptor, bytes buffer) except -1

    cpdef dict send_to_each(self, list descriptors, bytes buffer)

    @cython.locals(place=Py_ssize_t, count=Py_ssize_t)
    cpdef dict send_in_turn(self, list descriptors, bytes buffer)

    @cython.locals(
        buffer=bytes,
        index=Py_ssize_t,
        count=Py_ssize_t,
        total=Py_ssize_t,
        place=Py_ssize_t,
        first="char *",
        joined="char *",
    )
    cdef Py_ssize_t _send_many(
        self, int descriptor, list buffers, Py_ssize_t skipped
    ) except? -2

    cpdef object local_address(self, int descriptor)

    cpdef object shut_down_writing(self, int descriptor)

    cpdef object close(self, int descriptor)
