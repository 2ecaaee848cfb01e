// Compiles the tests and runs them with Node's own runner. The tests of dist/ need `npm run build` before.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
if (!existsSync(join(root, "dist", "hornet.js"))) {
  console.error("dist/ is missing: run 'npm run build' first");
  process.exit(1);
}

// Inside the package, so that the tests can import it by its name.
const outdir = mkdtempSync(join(root, ".test-build-"));
try {
  const tests = readdirSync(here).filter((name) => name.endsWith(".test.ts"));
  const shared = { bundle: true, platform: "node", format: "esm", outdir, outExtension: { ".js": ".mjs" } };
  // *.fake.test.ts import the sources and drive a fake socket, all others use the real Socket.IO.
  const [fake, real] = [true, false].map((wanted) =>
    tests.filter((name) => name.endsWith(".fake.test.ts") === wanted).map((name) => join(here, name)),
  );
  await build({ ...shared, entryPoints: fake, alias: { "socket.io-client": join(here, "fake_socket.ts") } });
  await build({ ...shared, entryPoints: real, packages: "external" });
  const built = readdirSync(outdir).map((name) => join(outdir, name));
  process.exitCode = spawnSync(process.execPath, ["--test", "--test-timeout=60000", ...built], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(outdir, { recursive: true });
}
