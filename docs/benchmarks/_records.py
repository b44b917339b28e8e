"""What benchmarks have measured, kept so that a run goes on where it was interrupted."""

import json
import os


class Records:
    """What has been measured, in a JSON file with a line for each record."""

    def __init__(self, path, again):
        self.path, self.again = path, again
        self.known = self._read()

    def lacks(self, key):
        return self.again or key not in self.known

    def keep(self, key, record):
        """Replace the file as a whole, so that an interrupt leaves the old one or the new one.

        What other runs have kept in it meanwhile stays.
        """
        self.known = {**self._read(), key: record}
        lines = (f"{json.dumps(k)}: {json.dumps(v)}" for k, v in self.known.items())
        new = self.path.with_suffix(".new")
        new.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        os.replace(new, self.path)

    def _read(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}
