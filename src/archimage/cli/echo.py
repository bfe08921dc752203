"""`archimage echo`: ask a peer whether it answers (C-ECHO)."""

import time

from archimage.cli.options import (
    CALLED,
    CALLING,
    Called,
    Calling,
    Host,
    Json,
    JwtFile,
    Login,
    PasscodeFile,
    Port,
    Tls,
    User,
)
from archimage.cli.output import print_json, say


def echo(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    user: User = None,
    passcode_file: PasscodeFile = None,
    jwt_file: JwtFile = None,
    json: Json = False,
) -> None:
    """Ask a peer whether it answers (C-ECHO)."""
    from archimage.cli import peer
    from archimage.net.proposals import for_services
    from archimage.protocol.uids import VERIFICATION

    node = peer.node(called, host, port, tls=tls, login=Login(user, passcode_file, jwt_file))

    async def ask() -> int:
        async with await peer.associate(node, calling, for_services(VERIFICATION)) as association:
            return await association.echo()

    started = time.monotonic()
    status = peer.run(ask())
    peer.check_status(node, status)
    elapsed_s = time.monotonic() - started
    if json:
        answer = {"ae_title": node.ae_title, "host": host, "port": port, "status": status}
        print_json(answer | {"elapsed_s": round(elapsed_s, 6)})
    else:
        say(f"{node} answers ({1000 * elapsed_s:.0f} ms)")
