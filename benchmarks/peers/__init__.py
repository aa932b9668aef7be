"""Chartwell's ingestion compared with LangChain's, LlamaIndex's and Haystack's: same notes, same server, same machine.

Each peer is one file, `with_<peer>.py`, behind one command line (`peer.py`), in an environment of its own
(requirements.txt). The harness runs every ingestion as a process, so that its memory is its own and kill -9 is real.
"""
