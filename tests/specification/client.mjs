import { CovetPyWebSocketClient } from '@covetpy/client';

const client = new CovetPyWebSocketClient({
  url: 'ws://localhost:8000/ws',
  token: 'your_jwt_token',
  reconnect: {
    enabled: true,
    maxAttempts: 10,
    delay: 1000
  }
});

// Connect
await client.connect();

// Join room
await client.joinRoom('project_123', {
  subscribe_to_metrics: true
});

// Subscribe to data stream
const subscription = await client.subscribe('metrics', 'db_conn_123', {
  min_severity: 'warning'
});

subscription.on('data', (data) => {
  console.log('Received metrics:', data);
});

// RPC call
const result = await client.call('database.test_connection', {
  connection_id: 'db_conn_123'
});
