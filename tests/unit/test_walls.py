"""Import rules of the architecture."""

import ast
import graphlib
import subprocess
from pathlib import Path

import pytest
from server import ROOT

PACKAGES = {"hardware", "storage", "realtime", "integrations", "web", "settings", "app"}
ALLOWED = {
    "hardware": set(),
    "storage": set(),
    "realtime": set(),
    "settings": set(),
    "integrations": {"storage"},
    "web": {"storage", "realtime", "settings"},
    "app": PACKAGES,
}
RESTRICTED = {
    "RPi": {"hardware/gpio.py"},
    "zmq": {"integrations/demo.py"},
    "psycopg": {"storage/postgres.py", "storage/postgres_connections.py", "storage/postgres_schema.py"},
    "sqlite3": {
        "storage/sqlite.py",
        "storage/sqlite_backup.py",
        "storage/sqlite_files.py",
        "storage/sqlite_migration.py",
        "storage/spool.py",
    },
    "flask": {
        "web",
        "app.py",
        "realtime/__init__.py",
        "realtime/http_server.py",
        "realtime/http_handler.py",
        "realtime/extension.py",
    },
}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.split("/")[0].removesuffix(".py") in PACKAGES:
            yield name


def imports(name):
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            yield node.args[0].value


@pytest.mark.parametrize("name", list(modules()))
def test_module_imports_only_allowed_packages(name):
    package = name.split("/")[0].removesuffix(".py")
    for imported in imports(name):
        top = imported.split(".")[0]
        assert top == package or top not in PACKAGES - ALLOWED[package], f"{name} imports {imported}"
        homes = RESTRICTED.get(top)
        assert homes is None or any(name == home or name.startswith(home + "/") for home in homes), imported


def test_top_level_has_only_agreed_entries():
    agreed = {
        "app.py", "settings.py", "integrations", "hardware", "storage", "realtime", "web", "templates",
        "static", "tests", "bench", "deploy", "docs", "requirements.txt", "requirements-dev.txt", "Procfile",
        "Makefile", "pyproject.toml", "package.json", "package-lock.json",
        "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE",
    }  # fmt: skip
    # Tracked files only, since the folder can also contain a database and the user's files.
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    entries = {name.split("/")[0] for name in tracked.stdout.splitlines()}
    assert {name for name in entries if not name.startswith(".")} <= agreed


def edges(name):
    """Yield the project modules that a module imports, including under TYPE_CHECKING."""
    package = Path(name).parent.as_posix().replace("/", ".")
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (f"{package}.{each}" for each in names if (ROOT / package / f"{each}.py").exists())


def test_modules_have_no_import_cycle():
    graph = {name.removesuffix(".py").replace("/", "."): set(edges(name)) for name in modules()}
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_no_module_assigns_to_the_class_of_an_object():
    for name in modules():
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            targets = node.targets if isinstance(node, ast.Assign) else []
            assert not [each for each in targets if getattr(each, "attr", "") == "__class__"], name
