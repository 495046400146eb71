"""Frames that a running simulation sends by the IMD protocol, version 3.

In: a connection to a simulation (`client`), or a recording of one: the very bytes that were
received. Out: a recording, and its frames as a `ForeignFile` (`recording`). Open `protocol`
first: it describes the bytes.
"""
