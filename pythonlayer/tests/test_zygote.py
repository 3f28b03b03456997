"""The warm parent: how it ends."""

import os
import socket
import unittest
from unittest import mock

from alarmtriage_tool import zygote


class End(unittest.TestCase):
    def test_it_ends_with_the_supervisor(self) -> None:
        for unread in (b"", b"a message that the supervisor did not read"):
            with self.subTest(unread):
                parent = zygote.Zygote.__new__(zygote.Zygote)
                parent._control, supervisor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                self.addCleanup(parent._control.close)
                if unread:
                    parent._control.send(unread)
                supervisor.close()
                with mock.patch.object(os, "_exit", side_effect=SystemExit) as end, self.assertRaises(SystemExit):
                    parent._handle_request()
                end.assert_called_once_with(0)


if __name__ == "__main__":
    unittest.main()
