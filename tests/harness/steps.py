"""Behaviours as data. A step is one of

- a command of the agents, with its arguments: `join: {room: $room}`; beside it `gives`, what the answer contains, or `fails`,
  what the error contains, or `name`, by which `$name.field` later stands for what is answered;
- `wait: {event: …, of: …, items: […]}`: until so many events are there, each containing what its item says;
- `never: {event: …}`: no such event has come so far;
- `network: cut`, `stall`, `freeze`, `go`, `refuse`, `accept`: what the proxy between client and server does;
- `other: {room: …, payload: …}`: a message to the room by somebody else, over a connection of its own;
- `publish: {stream: …, records: […]}`: records for an events stream.

To contain is, for mappings, to have these members, whatever others there are. `$random` is different in each run."""

import asyncio
import json
import re
import uuid

from harness import credentials
from harness.client_agent import AgentError
from harness.grpc_api import Api
from harness.proxy import Proxy

FAST = {"delay": 0.05, "max_attempts": 400}
MODIFIERS = {"gives", "fails", "name"}
EVENTS = 3  # StreamType


def contains(got, wanted):
    if isinstance(wanted, dict) and isinstance(got, dict):
        return all(name in got and contains(got[name], value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(got, list):
        return len(got) == len(wanted) and all(map(contains, got, wanted))
    return got == wanted


async def publish(covet, resource, records):
    """Records for an events stream, in one batch."""
    with Api(covet.grpc_address("streams")) as api:
        payloads = [{"payload": {"json": json.dumps(record)}} for record in records]
        await asyncio.to_thread(api.streams, "Publish", stream_type=EVENTS, resource_id=resource, records=payloads)


async def run(steps, covet, agent, wrong=None, **values):
    """`agent` makes agents. Connections go through a proxy of their own, which expects what is `wrong`."""
    async with Proxy(covet.http_address, wrong=wrong) as proxy, agent() as driven, covet.connect("other") as other:
        await Run(covet, driven, proxy, other, **values).go(steps)


class Run:
    """`values` is what `$name` stands for."""

    def __init__(self, covet, driven, proxy, other, **values):
        self.covet, self.driven, self.proxy, self.other = covet, driven, proxy, other
        self.values = {
            "url": proxy.ws_url,
            "api_key": credentials.API_KEY,
            "api_key_user": credentials.API_KEY_USER,
            "token": credentials.token(),
            "random": uuid.uuid4().hex[:12],
        } | values
        self._joined = set()

    async def go(self, steps):
        for number, step in enumerate(steps, 1):
            try:
                await self._step(self._resolve(step))
            except Exception as error:
                error.add_note(f"in step {number}: {step}")
                raise

    def _resolve(self, node):
        if isinstance(node, dict):
            return {key: self._resolve(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self._resolve(value) for value in node]
        if isinstance(node, str) and (match := re.fullmatch(r"\$(\w+)(?:\.(\w+))?", node)):
            value = self.values[match[1]]
            return value[match[2]] if match[2] else value
        return node

    async def _step(self, step):
        (command,) = step.keys() - MODIFIERS
        args = step[command]
        if command == "network":
            self._network(args)
        elif command == "other":
            if args["room"] not in self._joined:
                self._joined.add(args["room"])
                await self.other.join(args["room"])
            await self.other.publish(args["room"], args["payload"])
        elif command == "publish":
            await publish(self.covet, args["stream"], args["records"])
        elif command == "wait":
            items = await self.driven.items(args["event"], len(args["items"]), of=args.get("of"))
            assert contains(items, args["items"]), (items, args["items"])
        elif command == "never":
            assert not self.driven.told(**args)
        else:
            await self._command(command, args, step)

    def _network(self, what):
        proxy = self.proxy
        {"cut": proxy.cut, "stall": proxy.stall, "freeze": proxy.freeze, "go": proxy.go, "refuse": proxy.refuse,
         "accept": lambda: proxy.refuse(False)}[what]()

    async def _command(self, command, args, step):
        if command == "connect":
            args = {"url": self.values["url"], "reconnect": FAST} | args
            if not {"tokens", "api_key"} & args.keys():
                args["tokens"] = [credentials.token(args.pop("user", self.values["user"]), args.pop("roles", ["admin"]))]
        if "fails" in step:
            try:
                answer = await self.driven.do(command, **args)
            except AgentError as error:
                assert contains(vars(error), step["fails"]), vars(error)
                return
            raise AssertionError(f"{command} has not failed: {answer}")
        answer = await self.driven.do(command, **args)
        assert contains(answer, step.get("gives", answer)), answer
        if "name" in step:
            self.values[step["name"]] = answer
