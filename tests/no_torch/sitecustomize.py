"""Put first on PYTHONPATH, this makes a Python without torch, which says so when it is asked for it."""
import sys


class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            print("torch was asked for", file=sys.stderr)
            raise ModuleNotFoundError("No module named 'torch'", name="torch")


sys.meta_path.insert(0, NoTorch())
