"""Analysis of a simulation while it runs.

In: a job, and the address of a simulation that sends its frames. Out: the results folder of
`run` or `project`, updated while frames are received. Open `job` first. `recorder` writes the
frames to a file, which the jobs read like any other; `growth` fits and projects it at the cost
of its new frames, which `reopened` finds, on `modes` that are given or fitted; `conditions`
decides whether the results are accurate enough.
"""
