cpdef decide(remembered, stamp)
