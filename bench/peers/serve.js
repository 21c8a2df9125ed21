// What both peers share: the command line, and the ports file that tells a driver where they listen.
import { renameSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

export function listen(httpServer) {
  const { values } = parseArgs({
    options: { port: { type: 'string', default: '0' }, 'ports-file': { type: 'string' } },
  });
  httpServer.listen({ port: Number(values.port), host: '127.0.0.1', backlog: 4096 }, () => {
    const path = values['ports-file'];
    if (!path) return;
    writeFileSync(`${path}.tmp`, JSON.stringify({ http: httpServer.address().port }));
    renameSync(`${path}.tmp`, path);
  });
  process.on('SIGTERM', () => process.exit(0));
}
