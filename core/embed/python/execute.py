"""Execute notebooks, and write their pictures as PNG: execute.py NOTEBOOK... --pictures FOLDER.

A cell that fails ends the program with its traceback; a notebook without a picture fails, too.
"""
import base64
import pathlib
import sys

import nbclient
import nbformat


def main(notebooks, pictures):
    pictures.mkdir(parents=True, exist_ok=True)
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        client = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}})
        client.execute()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        drawn = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
        if not drawn:
            sys.exit(f"{path}: no picture was drawn")
        for number, picture in enumerate(drawn, 1):
            (pictures / f"{path.stem}-{number}.png").write_bytes(base64.b64decode(picture))
        print(f"{path.name}: executed, {len(drawn)} pictures")


if __name__ == "__main__":
    at = sys.argv.index("--pictures")
    main([pathlib.Path(name) for name in sys.argv[1:at]], pathlib.Path(sys.argv[at + 1]))
