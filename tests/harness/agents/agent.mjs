// Drives the JavaScript client in Node.js from outside: commands as lines of JSON on standard input, answers and events on
// output. What is Node's own stands here, everything else in commands.mjs. Ends by itself once the client is closed: if it does
// not, the library has left something behind; a rejection that nobody handles ends it with a status.
import {createInterface} from 'node:readline';
import {Readable} from 'node:stream';
import {pathToFileURL} from 'node:url';

import {SOURCES, agent} from './commands.mjs';

const libraryUrl = pathToFileURL(process.argv[2]).href;
const library = await import(libraryUrl);
const sources = {...SOURCES, buffer: (bytes) => Buffer.from(bytes), node_stream: (bytes) => Readable.from(SOURCES.iterator(bytes))};
const carryOut = agent(library, libraryUrl, (line) => process.stdout.write(JSON.stringify(line) + '\n'), sources);

for await (const line of createInterface({input: process.stdin})) void carryOut(line);
await carryOut(JSON.stringify({command: 'close'}));
