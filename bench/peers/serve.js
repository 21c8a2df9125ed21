// What both peers share: they listen on the port that the command line gives.
export function listen(httpServer) {
  httpServer.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
  process.on('SIGTERM', () => process.exit(0));
}
