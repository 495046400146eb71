"""Decompress .gz, .bz2, .xz and .zst files, from their beginning or from restart points.

In: compressed bytes at any place. Out: text. `stream` decompresses a file from its beginning
and checks it, `candidates` finds where decompression may start, `points` stores those positions
with the checksums of the text between them, and `place` reads text at any offset through them.
"""
