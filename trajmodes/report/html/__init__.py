"""One page in HTML, to be sent to somebody: summary, charts, tables, and where they come from.

In: the Datasets of one or more results folders. Out: the text of a file that needs nothing
else. Start with `page`; `charts` has the data that the script of the page draws, `comparison`
what two or more folders share. plotly.js is inlined once, in its bundle for Cartesian charts.
"""
