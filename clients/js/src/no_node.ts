/** `#node` where there is no Node.js: bundlers for browsers find neither its modules nor `ws`. */
export const webcrypto = undefined;
export const WebSocket = undefined;
