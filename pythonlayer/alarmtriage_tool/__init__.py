"""The Python side of the tool function: a warm zygote and the children that run a model's code.

It protects against code that is careless and, together with the Go supervisor, against code that
is hostile: each call runs in a forked child that never held a credential, has no network, is
limited, and is killed afterwards. What Python code in one child can do to that child's own answer
is not restricted: it may answer whatever it likes.
"""
