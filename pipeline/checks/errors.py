"""The errors that only the checks of a deployment find.

    CheckFailed                a check of the deployment found something (python -m pipeline.validate)
    ├── GpuUnavailable         the driver, or the card behind it
    ├── ContainerWrong         a container is down, or sees no GPU
    ├── DiskNearlyFull         space or inodes
    ├── VolumeWrong            the data volume: not mounted, another one, not known to be encrypted
    ├── ClockWrong             this machine's clock is off
    ├── CertificateWrong       expired, for another host, or of an unknown authority
    ├── ServiceUnhealthy       the service says that it is not ready
    ├── IndexUnused            searches are right, and slower than they should be
    ├── LedgerDiffers          ledger and store do not tell the same
    ├── AnswerWrong            a question with a known answer was not answered with it
    ├── TooSlow                an answer took longer than it may
    └── CheckUnfinished        a check did not end in time, or could not be carried out

A check may also report an error of another room, for example that of a model server.
"""

from __future__ import annotations

from pipeline.errors import ChartwellError


class CheckFailed(ChartwellError):
    """A check of the deployment found something wrong."""

    code = "CW-CHECK"


class GpuUnavailable(CheckFailed):
    """The GPU cannot be used: no driver, a driver of two versions, no card, or too old a driver."""

    code = "CW-CHECK-GPU"


class ContainerWrong(CheckFailed):
    """A container of the deployment is down, or does not see the GPU that it was given."""

    code = "CW-CHECK-CONTAINER"


class DiskNearlyFull(CheckFailed):
    """A file system has little space or few inodes left."""

    code = "CW-CHECK-DISK"


class VolumeWrong(CheckFailed):
    """The data volume is not mounted, is another one, or is not known to be encrypted."""

    code = "CW-CHECK-VOLUME"


class ClockWrong(CheckFailed):
    """This machine's clock differs from the time."""

    code = "CW-CHECK-CLOCK"


class CertificateWrong(CheckFailed):
    """A server's certificate has expired, soon expires, is for another host, or cannot be traced to an authority."""

    code = "CW-CHECK-CERTIFICATE"


class ServiceUnhealthy(CheckFailed):
    """The service does not answer, or says that it is not ready."""

    code = "CW-CHECK-SERVICE"


class IndexUnused(CheckFailed):
    """The store answers searches without the index that should serve them."""

    code = "CW-CHECK-INDEX"


class LedgerDiffers(CheckFailed):
    """The ledger and the store do not tell the same about which notes are stored."""

    code = "CW-CHECK-LEDGER"


class AnswerWrong(CheckFailed):
    """A question with a known answer was not answered, or not with the expected citation."""

    code = "CW-CHECK-ANSWER"


class TooSlow(CheckFailed):
    """A model took longer than the settings allow."""

    code = "CW-CHECK-SLOW"


class CheckUnfinished(CheckFailed):
    """A check did not end in time, or broke."""

    code = "CW-CHECK-UNFINISHED"
