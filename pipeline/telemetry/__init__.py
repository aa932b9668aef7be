"""Numbers and traces of what runs, for Prometheus and OpenTelemetry. Both wrap a port; no back-end knows of them.

Never text: no question, note, prompt or answer, and no id of a patient, note or person, neither in a label nor in an
attribute of a span. The libraries are the extra `observe`; without them everything else works.
"""
