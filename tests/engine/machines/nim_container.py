"""What runs in a container that stands for a NIM: the simulator on the real port, with a NIM's conditions.

It ends without a key, or where its cache cannot be written, in the real ones' words; it loads for a second.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.servers import nim

PORT = 8000
CACHE = Path("/opt/nim/.cache")


def main() -> None:
    if not os.environ.get("NGC_API_KEY"):
        sys.exit("Authorization failed: NGC_API_KEY is not set")
    if not os.access(CACHE, os.W_OK):
        sys.exit("ManifestDownloadError: I/O error Permission denied (os error 13)")
    weights = CACHE / "weights"
    if not weights.exists():
        sys.stdout.write("downloading the model\n")
        weights.write_text("weights")
    sys.argv[1:] = ["--host", "0.0.0.0", "--port", str(PORT), "--loading-seconds", "1"]
    nim.main()


if __name__ == "__main__":
    main()
