"""The service: state, people and rights, audit, API and pages."""
