"""Behaviours as data. A step is one of

- a command of the agents, with its arguments: `join: {room: $room}`; beside it `gives`, what the answer contains, or `fails`,
  what the error contains, or `as`, a name for what is answered, and `$name.field` later stands for it;
- `wait: {event: …, of: …, items: […]}`: until so many events are there, each containing what its item says;
- `network: cut`, `stall`, `go`, `refuse`, `accept`: what the proxy between client and server does;
- `other: {…}`: a message to the room by somebody else, over a connection of its own.

To contain is, for mappings, to have these members, whatever others there are."""

import re

from harness import credentials
from harness.client_agent import AgentError
from harness.proxy import Proxy

FAST = {"delay": 0.05, "max_attempts": 400}
MODIFIERS = {"gives", "fails", "as"}


def contains(got, wanted):
    if isinstance(wanted, dict) and isinstance(got, dict):
        return all(name in got and contains(got[name], value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(got, list):
        return len(got) == len(wanted) and all(map(contains, got, wanted))
    return got == wanted


class Names:
    """What `$name` stands for."""

    def __init__(self, values):
        self.values = values

    def resolve(self, node):
        if isinstance(node, dict):
            return {key: self.resolve(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.resolve(value) for value in node]
        if isinstance(node, str) and (match := re.fullmatch(r"\$(\w+)(?:\.(\w+))?", node)):
            value = self.values[match[1]]
            return value[match[2]] if match[2] else value
        return node


async def run(steps, covet, agent, **values):
    """`agent` makes agents. Connections go through a proxy of their own."""
    async with Proxy(covet.http_address) as proxy, agent() as driven, covet.connect("other") as other:
        names = Names({"url": proxy.ws_url, "api_key": credentials.API_KEY, "api_key_user": credentials.API_KEY_USER} | values)
        joined = set()
        for number, step in enumerate(steps, 1):
            step = names.resolve(step)
            (command,) = step.keys() - MODIFIERS
            args = step[command]
            try:
                if command == "network":
                    _network(proxy, args)
                elif command == "other":
                    if args["room"] not in joined:
                        joined.add(args["room"])
                        await other.join(args["room"])
                    await other.publish(args["room"], args["payload"])
                elif command == "wait":
                    items = await driven.items(args["event"], len(args["items"]), of=args.get("of"))
                    assert contains(items, args["items"]), (items, args["items"])
                else:
                    await _command(driven, command, args, step, names)
            except Exception as error:
                error.add_note(f"in step {number}: {steps[number - 1]}")
                raise


def _network(proxy, what):
    {"cut": proxy.cut, "stall": proxy.stall, "go": proxy.go, "refuse": proxy.refuse, "accept": lambda: proxy.refuse(False)}[what]()


async def _command(driven, command, args, step, names):
    if command == "connect":
        args = {"url": names.values["url"], "reconnect": FAST} | args
        if not {"tokens", "api_key"} & args.keys():
            args["tokens"] = [credentials.token(args.pop("user", names.values["user"]), args.pop("roles", ["admin"]))]
    if "fails" in step:
        try:
            answer = await driven.do(command, **args)
        except AgentError as error:
            assert contains(vars(error), step["fails"]), vars(error)
            return
        raise AssertionError(f"{command} has not failed: {answer}")
    answer = await driven.do(command, **args)
    assert contains(answer, step.get("gives", answer)), answer
    if "as" in step:
        names.values[step["as"]] = answer
