/** What Node.js lacks or hides before version 22 and 20: `#node` in Node.js; everywhere else it is `no_node.ts`. */
export {webcrypto} from 'node:crypto';
export {WebSocket} from 'ws';
