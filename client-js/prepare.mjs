// npm runs this when somebody installs the package from a clone: it builds dist/, which is not in the repository.
// For a folder, npm does not install what the build needs, so this does.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
if (!existsSync(join(root, "node_modules", "esbuild"))) {
  const npm = process.env.npm_execpath;
  if (!npm) throw new Error("run npm ci first");
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", root];
  execFileSync(process.execPath, [npm, "ci", ...options], { cwd: root, stdio: "inherit" });
}
await import("./build.mjs");
