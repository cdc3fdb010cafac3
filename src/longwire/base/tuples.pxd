cpdef tuple parts(value)
