"""The server under test: a testserver of our own for each file of tests.

TESTSERVER in the environment is its binary.
"""

import os
import re
import subprocess
import threading

# What an echo must bring back as it was.
VALUES = [None, True, 0, -1.5, "", "Grüße, 世界 👋", "\u2028<&>\"\\", [], [1, [2]], {"a": {"b": None}}]


class Server:
    """A running testserver."""

    def __init__(self, *args):
        self.process = subprocess.Popen(
            [os.environ["TESTSERVER"], *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._log = []
        self._reader = threading.Thread(target=lambda: self._log.extend(self.process.stderr), daemon=True)
        self._reader.start()
        line = self.process.stdout.readline()
        found = re.fullmatch(r"testserver: (http://\S+)/\n", line)
        if not found:
            self.process.kill()
            raise RuntimeError(f"no address but {line!r}: {''.join(self._log)}")
        self.url = found[1]
        self.host = self.url.removeprefix("http://")

    def stop(self):
        """Ends the server, which is to leave nothing behind and to have met no data race."""
        self.process.terminate()
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.process.stdout.close()
        self._reader.join(10)
        self.process.stderr.close()
        log = "".join(self._log)
        if code != 0 or re.search(r"DATA RACE|^panic:|^fatal error:", log, re.M):
            raise RuntimeError(f"the server ended with {code}:\n{log}")
