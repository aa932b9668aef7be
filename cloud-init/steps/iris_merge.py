"""Writes the merge file of IRIS: iris_merge.py FILE GLOBAL_BUFFERS_MB, password on standard input.

A file that already holds a hash of this password keeps it, since a new salt would replace the container. Hash
format: hex(PBKDF2-HMAC-SHA512), hex(salt), rounds, SHA512, as the vendor's passwordhash image prints it.
"""

import hashlib
import hmac
import re
import secrets
import sys
from pathlib import Path

ROUNDS = 10_000
NAME = "DEMO"
USER = "chartwell"


def password_hash(password: str, salt: bytes) -> str:
    """`hash,salt,10000,SHA512`; both parts hexadecimal."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return f"{digest.hex()},{salt.hex()},{ROUNDS},SHA512"


def merge_text(hashed: str, global_buffers_mb: int) -> str:
    """The merge file. [Startup] sets the predefined accounts once; [Actions] run at each start."""
    return f"""[Startup]
PasswordHash={hashed}
[config]
globals=0,0,{global_buffers_mb},0,0,0
[Actions]
CreateResource:Name=%DB_{NAME},Description="Chartwell"
CreateDatabase:Name={NAME},Directory=/dur/data/mgr/{NAME.lower()}/,ResourceName=%DB_{NAME}
CreateNamespace:Name={NAME},Globals={NAME},Routines={NAME}
CreateRole:Name={USER}_app,Resources="%DB_{NAME}:RW,%Service_SQL:U"
CreateUser:Name={USER},PasswordHash="{hashed}",Roles="{USER}_app,%SQL",NameSpace={NAME}
ModifyUser:Name={USER},PasswordHash="{hashed}",ChangePassword=0,PasswordNeverExpires=1
GrantAdminPrivilege:Grantee={USER},Namespace={NAME},AdminPriv="%DB_OBJECT_DEFINITION,%BUILD_INDEX"
"""


def still_holds(text: str, password: str) -> str | None:
    """The hash in the file when it is one of this password."""
    found = re.search(r"^PasswordHash=([0-9a-f]+),([0-9a-f]+),", text, re.MULTILINE)
    if not found:
        return None
    hashed = password_hash(password, bytes.fromhex(found[2]))
    return hashed if hmac.compare_digest(hashed.split(",")[0], found[1]) else None


def main() -> None:
    path = Path(sys.argv[1])
    password = sys.stdin.read().rstrip("\n")
    if len(password) < 12:
        sys.exit("FAILED: the IRIS password has fewer than 12 characters (docs/troubleshooting-aws.md#iris)")
    old = path.read_text() if path.exists() else ""
    hashed = still_holds(old, password) or password_hash(password, secrets.token_bytes(64))
    new = merge_text(hashed, int(sys.argv[2]))
    if new == old:
        sys.stdout.write("merge.cpf: unchanged\n")
        return
    draft = path.with_name("merge.new")
    draft.touch(mode=0o600)
    draft.write_text(new)
    draft.replace(path)
    sys.stdout.write("merge.cpf: written\n")


if __name__ == "__main__":
    main()
