"""The routes under /v1, one file a subject. Each says who may call it; what is said by none is refused."""
