"""The handshake as the services' logs tell it: find the lines, join them, say where it stopped.

Pure but for reading the files that it is given. Nothing here talks to Temporal: what the logs leave
out is asked for through `links.LinkSource`.
"""
