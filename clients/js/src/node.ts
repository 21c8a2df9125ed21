/** What Node.js lacks, hides before version 20, or has otherwise: `#node` in Node.js; everywhere else it is `no_node.ts`. */
export {webcrypto} from 'node:crypto';
export {WebSocket} from 'ws';
