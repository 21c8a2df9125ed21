import asyncio
from covetpy.client import WebSocketClient

async def main():
    client = WebSocketClient(
        url='ws://localhost:8000/ws',
        token='your_jwt_token'
    )
    
    await client.connect()
    
    # Join room
    await client.join_room('project_123')
    
    # Subscribe to metrics
    async def on_metrics(data):
        print(f"Received metrics: {data}")
    
    await client.subscribe('metrics', 'db_conn_123', callback=on_metrics)
    
    # RPC call
    result = await client.call('database.test_connection', {
        'connection_id': 'db_conn_123'
    })
    print(f"Connection test result: {result}")

asyncio.run(main())
