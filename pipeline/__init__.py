"""Clinical notes and images in, cited answers out."""

from importlib import metadata


def version() -> str:
    """Of the installed package; "checkout" for one that is run as it lies there."""
    try:
        return metadata.version("chartwell")
    except metadata.PackageNotFoundError:
        return "checkout"
