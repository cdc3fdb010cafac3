"""Write docs/configuration.md from the settings' own documentation (longwire.server.settings).

`--check` writes nothing and exits 1 if the page is out of date.
"""

import sys
from pathlib import Path

from longwire.server.setting_fields import (
    SettingField,
    default_text,
    section_text,
    sections,
    setting_fields,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"

HEAD = """\
# Configuration

`longwire serve` reads its settings from three places; the last one wins:

1. a TOML file: the one that `--config` or the variable `LONGWIRE_CONFIG` names, else
   `longwire.toml` in the working directory, if there is one;
2. environment variables, `LONGWIRE_` and the section and the key in upper case; for `[server]` the
   section is left out;
3. flags of the command line: those of `longwire serve --help`, and `--set SECTION.KEY=VALUE` for
   every other setting.

```toml
[server]
host = "0.0.0.0"
port = 8443
tls_cert = "/etc/longwire/cert.pem"
tls_key = "/etc/longwire/key.pem"

[origins]
allowed = ["same", "https://*.example.com"]

[anonymous]
read = ["public/**"]
```

The same port from a variable is `LONGWIRE_PORT=8443`, the same list of origins
`LONGWIRE_ORIGINS_ALLOWED="same,https://*.example.com"`. In a variable or a flag, items of a list
are separated by commas, and true may be written `true`, `yes`, `on` or `1`. `"none"` means "no
limit" or "not set" where the table allows it. The end of a name is its unit: `_s` seconds,
`_bytes_max` bytes, `_per_s_max` a rate.

Nothing is guessed. `longwire config check` reports every mistake in one go, and `longwire serve`
refuses to start with the same lines: the file and line (or the variable, or the flag), what was
found, and what would be right. An unknown key is a mistake, and so is an unknown variable that
begins with `LONGWIRE_`, except those that Kubernetes sets for a Service named "longwire".
`longwire config show` prints all settings and where each came from.

```console
$ longwire config check
longwire: longwire.toml:3: server.prot is no setting (did you mean port?)
```

Certificates are read again on SIGHUP; everything else is read at start. The exit code is 78 when
the configuration is wrong, 2 when only the command line is, and 69 when the address cannot be
listened on.
"""


def one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def described_default(field: SettingField) -> str:
    return f"`{default_text(field)}`"


def page() -> str:
    lines = [HEAD]
    for section in sections():
        lines += [f"## [{section}]", "", section_text(section), ""]
        lines += ["| key | variable | default | value | meaning |", "|---|---|---|---|---|"]
        for field in setting_fields().values():
            if field.section == section:
                lines.append(
                    f"| `{field.name}` | `{field.variable}` | {described_default(field)} "
                    f"| {one_line(field.wanted)} | {one_line(field.documentation)} |"
                )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    written = PAGE.read_text() if PAGE.exists() else ""
    if "--check" in sys.argv[1:]:
        if written != page():
            print(f"{PAGE.relative_to(ROOT)} is out of date: run `make docs`")
            return 1
        return 0
    if written != page():
        PAGE.write_text(page())
        print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
