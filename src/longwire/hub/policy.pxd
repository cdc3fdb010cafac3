cpdef demand(policy, principal, action, stream)
