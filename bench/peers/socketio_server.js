// A room broadcast server on npm's socket.io with its default, in-memory adapter.
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { listen } from './serve.js';

const httpServer = createServer();
const io = new Server(httpServer, { transports: ['websocket'], serveClient: false });

io.on('connection', (socket) => {
  socket.on('join', (room) => {
    socket.join(room);
    socket.emit('joined');
  });
  socket.on('publish', (room, payload, acknowledge) => {
    io.to(room).emit('event', payload);
    acknowledge();
  });
});

listen(httpServer);
