"""Check what compose makes of its files, and the grammar of the PowerShell runner: check.py COMPOSE RUNNER."""
import pathlib
import sys

import tree_sitter
import tree_sitter_powershell
import yaml

TASKS = ["train", "generate", "test", "notebook"]


def services(path):
    found = yaml.safe_load(path.read_text())["services"]
    assert set(found) == {"energic-model", "jupyter"}, f"{path}: services are {sorted(found)}"
    for name, service in found.items():
        build = service["build"]
        context = pathlib.Path(build["context"])
        assert (context / "Cargo.toml").exists(), f"{name}: there is no Cargo.toml in {context}"
        stages = [line.split()[3] for line in (context / build["dockerfile"]).read_text().splitlines() if line.startswith("FROM")]
        assert build["target"] in stages, f"{name}: there is no stage {build['target']} in {stages}"
    assert any("8888" in str(port) for port in found["jupyter"]["ports"])


def runner(path):
    language = tree_sitter.Language(tree_sitter_powershell.language())
    source = path.read_bytes()
    tree = tree_sitter.Parser(language).parse(source)
    assert not tree.root_node.has_error, f"{path} is no PowerShell: {tree.root_node}"
    assert all(f"'{task}'" in source.decode() for task in TASKS), f"{path} lacks a task of {TASKS}"
    broken = tree_sitter.Parser(language).parse(source.replace(b"switch ($Task) {", b"switch ($Task {", 1))
    assert broken.root_node.has_error, "the parser takes anything"


if __name__ == "__main__":
    services(pathlib.Path(sys.argv[1]))
    runner(pathlib.Path(sys.argv[2]))
    print("containers: both services and the runners are well formed")
