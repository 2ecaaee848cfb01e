// Unpack the Chromium of the npm package, with the libraries and fonts it carries, into the folder named first.
// The package does so by itself only where it recognises its cloud platform, and only into the temporary folder.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
process.env.TMPDIR = folder;
process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs22.x";
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();

// Its own font configuration looks in that platform's folders.
writeFileSync(
  join(folder, "fonts", "fonts.conf"),
  `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`,
);
