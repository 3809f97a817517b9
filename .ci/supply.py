"""What we ship from others: `audit` looks for known vulnerabilities, `sbom` writes the parts list.

Rules: both look at what constraints.txt pins, never at what happens to be installed here. An audit
without a vulnerability database (no network, an index without PyPI's JSON API) says so loudly and
passes, unless AUDIT_REQUIRED=1; a vulnerability always fails. The parts list holds what runs in
production, and neither paths of this machine nor names of the index that the wheels came from.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".state" / "supply"
SBOM = ROOT / "dist" / "sbom.cdx.json"
DATABASES = ("pypi", "osv")


def run(*command: str | Path, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(  # noqa: S603
        [str(part) for part in command],
        cwd=ROOT,
        check=False,
        text=True,
        capture_output=quiet,
    )


def environment(name: str, *arguments: str | Path) -> Path:
    """A virtual environment with what pip is given; its folder of programs."""
    folder = STATE / name
    programs = folder / "bin"
    if not (programs / "python").exists():
        run(sys.executable, "-m", "venv", folder).check_returncode()
    pip = (programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if run(*pip, *arguments).returncode:
        sys.exit(f"could not install into {folder.relative_to(ROOT)}")
    return programs


def audit() -> int:
    """Look the pinned versions up."""
    programs = environment("tools", "-r", ROOT / ".ci" / "tools.txt")
    why = ""
    for database in DATABASES:
        done = run(
            programs / "pip-audit",
            *("--requirement", ROOT / "constraints.txt", "--no-deps", "--disable-pip"),
            *("--vulnerability-service", database, "--format", "json", "--progress-spinner", "off"),
            quiet=True,
        )
        try:
            found = json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):
            lines = done.stderr.strip().splitlines() or ["no answer"]
            why += f"\n  {database}: {lines[-1][:160]}"
            continue
        verdict = judged(found, database)
        if verdict is not None:
            return verdict
        why += f"\n  {database}: knows none of {len(found)} packages"
    print(f"SKIPPED: the dependencies were NOT audited, no vulnerability database answers:{why}")
    return 1 if os.environ.get("AUDIT_REQUIRED") == "1" else 0


def judged(found: list[dict[str, Any]], database: str) -> int | None:
    """The exit code for what a database said; None when it knew nothing at all."""
    known = [one for one in found if "skip_reason" not in one]
    if not known:
        return None
    for one in found:
        if "skip_reason" in one:
            print(f"not audited: {one['name']} ({one['skip_reason']})")
    bad = [one for one in known if one["vulns"]]
    for one in bad:
        for fault in one["vulns"]:
            mended = ", ".join(fault["fix_versions"]) or "no version yet"
            print(f"{one['name']} {one['version']}: {fault['id']}, mended in {mended}")
    print(f"{database}: {len(known)} packages looked up, {len(bad)} with known vulnerabilities")
    return 1 if bad else 0


def sbom() -> int:
    """Write the parts list of a production installation, as CycloneDX."""
    tools = environment("tools", "-r", ROOT / ".ci" / "tools.txt")
    runtime = environment("runtime", "-c", ROOT / "constraints.txt", ROOT)
    run(runtime / "python", "-m", "pip", "uninstall", "-q", "-y", "setuptools", quiet=True)
    written = STATE / "raw.json"
    done = run(
        tools / "cyclonedx-py",
        *("environment", runtime / "python", "--pyproject", ROOT / "pyproject.toml"),
        *("--mc-type", "application", "--spec-version", "1.6", "--output-reproducible"),
        *("--output-format", "JSON", "--output-file", written),
        quiet=True,
    )
    if done.returncode:
        sys.exit(done.stderr.strip() or "cyclonedx-py failed")
    listed = published(json.loads(written.read_text("utf-8")))
    SBOM.parent.mkdir(exist_ok=True)
    SBOM.write_text(json.dumps(listed, indent=2, sort_keys=True) + "\n", "utf-8")
    print(f"written: {SBOM.relative_to(ROOT)}, {len(listed['components'])} components")
    return 0


def published(listed: dict[str, Any]) -> dict[str, Any]:
    """The list as others may see it: without pip and us, addresses on public sites only."""
    ours = listed["metadata"]["component"]["name"]
    kept = [one for one in listed["components"] if one["name"] not in (ours, "pip", "setuptools")]
    dropped = {one["bom-ref"] for one in listed["components"] if one not in kept}
    for one in (*kept, listed["metadata"]["component"]):
        # where a wheel was fetched from is this machine's affair
        one["externalReferences"] = [
            link
            for link in one.get("externalReferences", ())
            if link["type"] != "distribution" and not link["url"].startswith("file:")
        ]
        one.pop("properties", None)
    listed["components"] = kept
    for one in listed.get("dependencies", ()):
        one["dependsOn"] = [ref for ref in one.get("dependsOn", ()) if ref not in dropped]
    listed["dependencies"] = [
        one for one in listed.get("dependencies", ()) if one["ref"] not in dropped
    ]
    return listed


if __name__ == "__main__":
    verbs = {"audit": audit, "sbom": sbom}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        sys.exit(f"usage: supply.py {'|'.join(verbs)}")
    sys.exit(verbs[sys.argv[1]]())
