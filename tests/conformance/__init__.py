"""Black-box conformance: Engine.IO 4 with Socket.IO 5, and Engine.IO 3 with Socket.IO 4.

Nothing here but ``server.py`` imports Hornet: the codecs are written again, strictly, so that a
fault shared by an encoder and its own decoder cannot hide.
"""
