"""What can happen when AWS is asked and does not answer as it should: one list, so that no fault becomes a stack trace.

Knows botocore's exceptions, which have no common ancestor, and says one in a line. Decides nothing about what a fault
means to the one who asked.
"""

from __future__ import annotations

from typing import Final

import botocore.exceptions
import botocore.parsers

# A refusal; no answer, no credentials, a wrong parameter; an answer that is not AWS's, such as a proxy's page.
FAULTS: Final = (
    botocore.exceptions.ClientError,
    botocore.exceptions.BotoCoreError,
    botocore.parsers.ResponseParserError,
)
LENGTH_MAX: Final = 200
# Not a missing permission: a login that has ended, keys that were taken away, a clock that is off by five minutes.
LOGIN: Final = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
LOGIN_CURE: Final = "Sign in again; if that does not help, set this machine's clock"


def of_login(error: Exception) -> bool:
    """Whether AWS did not accept who asks, or when, whatever was asked."""
    return isinstance(error, botocore.exceptions.ClientError) and error.response["Error"].get("Code") in LOGIN


def fault_line(error: Exception) -> str:
    """The fault in one line: of a refusal its code and message, of anything else its first words."""
    if isinstance(error, botocore.exceptions.ClientError):
        told = error.response.get("Error", {})
        text = f"{told.get('Code', 'an error')}: {told.get('Message', '')}"
    else:
        text = str(error)
    return " ".join(text.split())[:LENGTH_MAX].rstrip(" .:")
