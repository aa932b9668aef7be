"""Machines for the proof: a host of systemd-nspawn, and what it meets outside itself."""
