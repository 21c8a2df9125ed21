// A room broadcast server on npm's ws, written as its documentation does it: JSON messages, each serialised once.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { listen } from './serve.js';

const rooms = new Map();
const httpServer = createServer();
const server = new WebSocketServer({ server: httpServer, perMessageDeflate: false });

server.on('connection', (socket) => {
  const joined = new Set();
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.op === 'join') {
      joined.add(message.room);
      if (!rooms.has(message.room)) rooms.set(message.room, new Set());
      rooms.get(message.room).add(socket);
      socket.send('{"op":"joined"}');
    } else if (message.op === 'publish') {
      const event = JSON.stringify({ op: 'event', room: message.room, payload: message.payload });
      for (const member of rooms.get(message.room) ?? []) member.send(event);
      socket.send(JSON.stringify({ op: 'ack', id: message.id }));
    }
  });
  socket.on('close', () => {
    for (const room of joined) {
      const members = rooms.get(room);
      members.delete(socket);
      if (members.size === 0) rooms.delete(room);
    }
  });
});

listen(httpServer);
