"""Looking at a running deployment: what is asked (one probe a file), what is kept, what is shown.

Arrows: `sampler` (the loop) -> `probes` -> `samples`. Nothing here
changes what it looks at: no model is asked to infer (the idle watch would take that for work), no lease is held, and a
connection to IRIS is closed again immediately.
"""
