"""Speaks Covet's protocol from a terminal: sends each argument as one message, prints what comes back, one message a line.

    talk.py [--url URL] [--token TOKEN | --key KEY] [--seconds N] [--count N] MESSAGE…

Messages without an `id` get one. It ends once nothing has come for N seconds (1 unless told otherwise); 0 goes on for ever;
--count ends it after so many.
TALK_URL and TALK_SECONDS stand for the options.
"""

import argparse
import asyncio
import json
import os
import sys

import websockets


async def talk(arguments):
    headers = {}
    if arguments.token:
        headers["Authorization"] = f"Bearer {arguments.token}"
    if arguments.key:
        headers["X-API-Key"] = arguments.key
    async with websockets.connect(arguments.url, additional_headers=headers) as socket:
        print(await socket.recv(), flush=True)
        for number, text in enumerate(arguments.messages, start=1):
            message = json.loads(text)
            message.setdefault("id", f"{message['type']}_{number}")
            await socket.send(json.dumps(message))
        try:
            received = 1
            while received != arguments.count:
                received += 1
                print(await asyncio.wait_for(socket.recv(), arguments.seconds or None), flush=True)
            return 0
        except (TimeoutError, asyncio.TimeoutError):
            return 0
        except websockets.ConnectionClosed as closed:
            print(f"closed: {closed.rcvd.code} {closed.rcvd.reason}" if closed.rcvd else "closed", file=sys.stderr)
            return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("TALK_URL", "ws://127.0.0.1:8000/ws"))
    parser.add_argument("--token")
    parser.add_argument("--key")
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("TALK_SECONDS", "1")))
    parser.add_argument("--count", type=int)
    parser.add_argument("messages", nargs="*")
    try:
        sys.exit(asyncio.run(talk(parser.parse_args())))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
