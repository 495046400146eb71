"""The report, one HTML page that can be sent: summary, charts, tables and provenance.

In: the Datasets of one or more results folders. Out: the text of a self-contained file. Start
with `page`; `charts` has the data that the script of the page draws, `comparison` the
comparison of two or more folders. plotly.js is inlined once, in its bundle for Cartesian
charts.
"""
