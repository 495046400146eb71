"""Frames that a running simulation sends by the IMD protocol, version 3.

In: a connection to a simulation (`client`), or a recording of one, which consists of the
received bytes. Out: a recording, and its frames as a `ForeignFile` (`recording`). Open
`protocol` first, which describes the bytes.
"""
