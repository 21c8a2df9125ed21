// The agent of agent.mjs in a page of a running Chromium: lines of JSON go on to the page, and what it says comes back.
// Arguments: the client's build, the browser's DevTools address.
import {createRequire} from 'node:module';
import {dirname, join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';

const [build, browserUrl] = process.argv.slice(2);
// Installed beside the client.
const {chromium} = createRequire(build)('playwright-core');

// Nothing serves this origin: requests to it are answered from the two folders. `localhost` makes it a secure context.
const ORIGIN = 'http://covet.localhost';
const FOLDERS = {client: dirname(build), agents: dirname(fileURLToPath(import.meta.url))};
const PAGE = `<!doctype html><script type="module">
  import * as library from '/client/index.js';
  import {SOURCES, agent} from '/agents/commands.mjs';
  window.carryOut = agent(library, (line) => window.say(JSON.stringify(line)), SOURCES);
</script>`;

async function answer(route) {
  const [, folder, ...path] = new URL(route.request().url()).pathname.split('/');
  if (folder === '') await route.fulfill({contentType: 'text/html', body: PAGE});
  else if (folder in FOLDERS) await route.fulfill({contentType: 'text/javascript', path: join(FOLDERS[folder], ...path)});
  else await route.fulfill({status: 404});
}

const browser = await chromium.connectOverCDP(browserUrl);
// Chromium asks before a page reaches loopback.
const context = await browser.newContext({permissions: ['local-network-access']});
const page = await context.newPage();
page.on('console', (message) => console.error(`page: ${message.text()}`));
page.on('pageerror', (error) => console.error(`page: ${error}`));
await page.exposeFunction('say', (line) => void process.stdout.write(line + '\n'));
await page.route(`${ORIGIN}/**`, answer);
await page.goto(ORIGIN);
await page.waitForFunction(() => window.carryOut);

for await (const line of createInterface({input: process.stdin})) {
  await page.evaluate((command) => void window.carryOut(command), line);
}
await context.close();
process.exit(0);
