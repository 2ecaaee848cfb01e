// Pages in a real Chromium, driven over stdio. The browser comes unpacked in the folder named first. A second argument names
// a Chromium of the machine to use in its place: that one keeps pages in memory for "back", as the browsers of people do.
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { chromium } from "playwright-core";
import { say, serve } from "./lines.mjs";

const WAIT_INTERVAL_MS = 20;
const [folder, installed] = process.argv.slice(2);
const shared = { XDG_CACHE_HOME: join(folder, "cache"), XDG_CONFIG_HOME: join(folder, "config") };
// Tests run as root in containers, where Chromium's own sandbox cannot start.
const args = ["--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage"];
const browser = await chromium.launch(
  installed
    ? {
        executablePath: installed,
        args: [...args, "--headless=new"],
        ignoreDefaultArgs: ["--disable-back-forward-cache"],
        env: { ...process.env, ...shared },
      }
    : {
        executablePath: join(folder, "chromium"),
        args,
        env: {
          ...process.env,
          ...shared,
          LD_LIBRARY_PATH: join(folder, "al2023", "lib"),
          FONTCONFIG_PATH: join(folder, "fonts"),
        },
      },
);
const pages = new Map();

await serve(
  {
    async open({ page, url, width, height }) {
      const opened = await browser.newPage({ viewport: { width, height } });
      pages.set(page, opened);
      const report = (kind, text) => say({ report: kind, page, text });
      opened.on("pageerror", (error) => report("error", String(error)));
      opened.on("console", (message) => report(message.type() === "error" ? "error" : "console", message.text()));
      await opened.goto(url, { waitUntil: "load" });
    },
    evaluate: ({ page, script }) => pages.get(page).evaluate(script),
    // Playwright's own waitForFunction evaluates in the page, which the page's content security policy may forbid.
    async wait({ page, condition, deadline_ms }) {
      const until = Date.now() + deadline_ms;
      // While the page goes elsewhere, it can't be asked.
      const ask = () =>
        pages.get(page).evaluate(condition).catch((error) => {
          if (!/context was destroyed|Cannot find context/.test(error.message)) throw error;
          return false;
        });
      while (!(await ask())) {
        if (Date.now() > until) {
          const text = await pages.get(page).evaluate("document.body.innerText");
          throw new Error(`not within ${deadline_ms} ms: ${condition}\nThe page shows: ${text}`);
        }
        await setTimeout(WAIT_INTERVAL_MS);
      }
    },
    click: ({ page, selector }) => pages.get(page).click(selector, { timeout: 5000 }),
    fill: ({ page, selector, text }) => pages.get(page).fill(selector, text, { timeout: 5000 }),
    async screenshot({ page, path }) {
      await pages.get(page).screenshot({ path, fullPage: true });
    },
    close: ({ page }) => pages.get(page).close(),
  },
  () => browser.close(),
);
