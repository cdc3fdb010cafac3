from longwire.server.permissions cimport Permissions


cdef class AppPolicy:
    cdef readonly object publish_hook
    cdef object _app
    cdef object _authentication
    cdef Permissions _permissions

    cpdef may(self, principal, action, stream)
