"""The library behind the service: doors, rights, and what is found when."""
