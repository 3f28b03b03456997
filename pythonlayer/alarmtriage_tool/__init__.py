"""The Python side of the tool function: a warm zygote and the children that run a model's code.

It protects against careless code and, together with the Go supervisor, against hostile code: each call
runs in a forked child that never held a credential, has no network, is limited, and is killed afterwards.
It does not protect a child's own answer: the code in the child may answer anything.
"""
