"""What benchmarks have measured, kept so that a run goes on where it was interrupted."""

import json
import os


class Records:
    """What has been measured, in a JSON file with a line for each record."""

    def __init__(self, path, again):
        self.path, self.again = path, again
        self.known = json.loads(path.read_text()) if path.exists() else {}

    def lacks(self, key):
        return self.again or key not in self.known

    def keep(self, key, record):
        """Replace the file as a whole, so that an interrupt leaves the old one or the new one."""
        self.known[key] = record
        lines = (f"{json.dumps(k)}: {json.dumps(v)}" for k, v in self.known.items())
        new = self.path.with_suffix(".new")
        new.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        os.replace(new, self.path)
