// Build everything that is committed: the modules for browsers, and the package's modules and types.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const here = import.meta.dirname;
const root = path.dirname(here);
// `--out FOLDER` writes below another folder than the repository, to compare with what is in it.
const { values } = parseArgs({ options: { out: { type: "string", default: root } } });
const packageFolder = path.join(values.out, "js", "lib");
const staticFolder = path.join(values.out, "src", "longwire", "server", "static");

const { version } = JSON.parse(readFileSync(path.join(here, "package.json"), "utf8"));
const shared = {
  absWorkingDir: here,
  entryPoints: {
    longwire: "src/longwire.ts",
    "longwire-outbox": "src/disk_outbox.ts",
    "longwire-http": "src/longwire-http.ts",
  },
  // What the outbox imports from the client stays an import: there is one class of errors. The other
  // transports are loaded by the client when it needs them.
  external: ["./longwire.js", "./longwire-http.js"],
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  define: { LONGWIRE_VERSION: JSON.stringify(version) },
  banner: { js: `// longwire.js ${version}, Apache-2.0` },
  legalComments: "none",
  logLevel: "warning",
};

const tsc = path.join(here, "node_modules", "typescript", "bin", "tsc");
execFileSync(
  process.execPath,
  [tsc, "--declaration", "--emitDeclarationOnly", "--outDir", packageFolder],
  { cwd: here, stdio: "inherit" },
);
await build({ ...shared, outdir: packageFolder });
await build({ ...shared, minify: true, outdir: staticFolder });
