"""The service on the host: its process, and nginx with TLS before it.

Decides on which addresses and under which URL the service is reached, and in which order its steps run. Refuses to know
what the service answers, and how a certificate is judged: the host does that (`cloud-init/steps/front.sh`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi

from infra.plan.catalog import SERVICE_PORT, SERVICE_PROCESS_PORT, SERVICE_TUNNEL_PORT
from infra.plan.config import NetworkAccess, ServiceTls
from infra.rollout.steps import Step, script, secret_step

CERTIFICATE_SECRET: Final = "service-tls.pem"  # noqa: S105 (the name of a file)
WAIT_SECONDS: Final = 120  # the models are there by now; what is missing then comes without being waited for
FIRST_ADMINISTRATOR: Final = "sudo bash /opt/chartwell/steps/first_administrator.sh"


@dataclass(frozen=True)
class Front:
    """What stands before the service. `url` is the one that people type."""

    url: pulumi.Input[str]
    name: pulumi.Input[str]
    """The name or address in `url`: the certificate is for it."""
    bind_address: str
    tls: ServiceTls


def front(access: NetworkAccess, tls: ServiceTls, address: pulumi.Input[str]) -> Front:
    """By its name, where it has one; by the host's address, where anybody may come; else at the tunnel's near end.

    Without named ranges it listens on loopback only: a rule added by hand to the security group then opens nothing.
    """
    bind = "0.0.0.0" if access.service_cidrs else "127.0.0.1"
    if tls.domain:
        return Front(f"https://{tls.domain}", tls.domain, bind, tls)
    if access.service_cidrs:
        return Front(pulumi.Output.concat("https://", address), address, bind, tls)
    return Front(tunnel_url(), "127.0.0.1", bind, tls)


def tunnel_url() -> str:
    """Where the service answers on the machine that holds the tunnel.

    By address: a browser that is told to use TLS only (HSTS) for the name localhost does so for every port of it.
    """
    return f"https://127.0.0.1:{SERVICE_TUNNEL_PORT}"


def steps(
    front: Front,
    *,
    settings: pulumi.Input[str],
    port: int = SERVICE_PORT,
    process_port: int = SERVICE_PROCESS_PORT,
) -> list[Step]:
    """Certificate, nginx, service. `settings` is the text whose change restarts the service."""
    tls = front.tls
    found = []
    kind = "self-signed"
    depends_on: tuple[pulumi.Input[str], ...] = ()
    if tls.certificate:
        kind = "given"
        pair = pulumi.Output.secret(f"{tls.key.reveal().strip()}\n{tls.certificate.strip()}\n")
        depends_on = (pair,)
        found.append(secret_step(CERTIFICATE_SECRET, pair))
    command = pulumi.Output.from_input(front.name).apply(
        lambda name: script("front.sh", front.bind_address, str(port), str(process_port), kind, name)
    )
    return [
        *found,
        Step("front", command, depends_on_secrets=depends_on),
        Step(
            "service",
            script("service.sh", str(process_port), str(WAIT_SECONDS)),
            depends_on_secrets=(settings,),
        ),
    ]
