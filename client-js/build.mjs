// Builds dist/. See README.md for what each file is for.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** The files that the built files depend on, as paths from here. setup.py has the same list and the same digest. */
const SOURCES = [
  "build.mjs",
  "package-lock.json",
  "package.json",
  "prepare.mjs",
  "tsconfig.build.json",
  "tsconfig.json",
  ...readdirSync(join(root, "src")).map((name) => `src/${name}`),
];

/** Returns the SHA-256 over each path and content in the order of the paths, each ended by a zero byte. */
function digestSources() {
  const hash = createHash("sha256");
  for (const path of SOURCES.sort()) {
    hash.update(path).update("\0").update(readFileSync(join(root, path))).update("\0");
  }
  return hash.digest("hex");
}

/** Returns the npm packages whose files are in a bundle, from esbuild's list of inputs. */
function bundledPackages(metafile) {
  const directories = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) directories.add(match[1]);
  }
  return [...directories].sort().map((directory) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, directory, "package.json"), "utf8"));
    const file = readdirSync(join(root, directory)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} ${version} (${license}) has no licence file to include`);
    return { name: `${name} ${version}`, text: readFileSync(join(root, directory, file), "utf8").trim() };
  });
}

/** Returns each licence text once, after the packages that it covers: only their copyright lines differ. */
function notices(packages) {
  const byPermission = new Map();
  for (const { name, text } of packages) {
    const lines = text.split(/\r?\n/).map((line) => line.trim());
    const own = lines.filter((line) => /^copyright/i.test(line)).join("; ");
    const permission = lines.filter((line) => !/^(copyright|\(?the mit license|mit license)/i.test(line)).join("\n").trim();
    // Line breaks and quotation marks differ between packages.
    const key = permission.replace(/\s+/g, " ").replaceAll("'", '"');
    const entry = byPermission.get(key) ?? { permission, owners: [] };
    entry.owners.push(`${name}: ${own}`);
    byPermission.set(key, entry);
  }
  return [...byPermission.values()].map(({ owners, permission }) => [...owners, "", permission].join("\n")).join("\n\n");
}

function comment(text) {
  if (text.includes("*/")) throw new Error("a notice contains */, which would end its comment");
  return `/*!\n${text.split("\n").map((line) => ` * ${line}`.trimEnd()).join("\n")}\n */\n`;
}

const options = {
  absWorkingDir: root,
  entryPoints: ["src/index.ts"],
  bundle: true,
  platform: "browser",
  target: "es2018",
  charset: "utf8",
  legalComments: "none", // the comment at the head has all notices
  write: false,
  metafile: true,
  logLevel: "warning",
};

/** Bundles with `extra` options; returns the code and the packages in it. */
async function bundle(extra) {
  const result = await build({ ...options, ...extra });
  return { code: result.outputFiles[0].text, packages: bundledPackages(result.metafile) };
}

const head = `hornet-client ${version}, the client of Hornet. Licensed under Apache-2.0.\nsources sha256:${digestSources()}`;

function write(name, { code, packages }) {
  const text = packages.length === 0 ? head : `${head}\n\nContains:\n\n${notices(packages)}`;
  writeFileSync(join(dist, name), comment(text) + code);
}

/** Wraps the code so that it works as an AMD module, as a CommonJS module, and as a script with the classic globals. */
function umd({ code, packages }) {
  const before = `(function (root, factory) {
  if (typeof define === "function" && define.amd) define([], factory);
  else if (typeof module === "object" && module.exports) module.exports = factory();
  else root.$h = root.Hornet = factory().Hornet;
})(typeof self !== "undefined" ? self : this, function () {
`;
  return { code: `${before}${code}return hornetClient;\n});\n`, packages };
}

/** Writes the type declarations, once for `import` and once for `require`. */
function writeTypes() {
  // TypeScript's package exports only its version and its command line.
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });
  for (const name of readdirSync(dist).filter((entry) => entry.endsWith(".d.ts"))) {
    const text = readFileSync(join(dist, name), "utf8");
    writeFileSync(join(dist, name.replace(/\.d\.ts$/, ".d.cts")), text.replace(/(from "\.\/[^"]+)\.js"/g, '$1.cjs"'));
  }
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
write("hornet.esm.js", await bundle({ format: "esm", packages: "external" }));
write("hornet.cjs", await bundle({ format: "cjs", packages: "external" }));
write("hornet.umd.js", umd(await bundle({ format: "iife", globalName: "hornetClient" })));
const script = await bundle({ format: "iife", entryPoints: ["src/browser.ts"], minify: true });
write("hornet.js", script);
writeTypes();

// The stock browser build of Socket.IO, for pages that load it themselves. Its source map is not served.
const stock = readFileSync(join(root, "node_modules/socket.io-client/dist/socket.io.min.js"), "utf8");
const code = stock.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
writeFileSync(join(dist, "socket.io.js"), comment(`Contains:\n\n${notices(script.packages)}`) + code);

