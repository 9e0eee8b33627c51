"""kosoku, with one difference: its cases of compression get every message as bytes, as Autobahn's own runner
hands them over. kosoku 0.1.0 does so for compressed messages only, and the cases break over the others, which an
endpoint may send at any time (RFC 7692, section 6): short messages, or such that compressing makes longer.
"""

from kosoku._cli import main
from kosoku.cases import CASES


def with_bytes(on_message):
    def wrapped(self, message, binary):
        if isinstance(message, str):
            message = message.encode("latin-1" if binary else "utf-8")
        on_message(self, message, binary)

    return wrapped


for case_id, case in CASES.items():
    if case_id.startswith(("12.", "13.")):
        case.onMessage = with_bytes(case.onMessage)

main()
