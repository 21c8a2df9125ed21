"""A conversation that is cut at each of its messages, and comes to the same every time."""

import uuid

from behaviours import entry
from harness.proxy import CLIENT, SERVER, Proxy
from harness.steps import Run

MOST_CUTS = 40  # A conversation with more messages is another one than was meant.


async def conversation_cut_anywhere(covet, agent):
    steps = entry("conversation_cut_anywhere")["steps"]
    async with Proxy(covet.http_address) as proxy, agent() as driven, covet.connect("other") as other:
        whole = await _once(steps, covet, driven, proxy, other)
        for sender in (CLIENT, SERVER):
            assert 10 <= whole[sender] <= MOST_CUTS, whole
            for number in range(1, whole[sender] + 1):
                cuts = proxy.cuts
                try:
                    passed = await _once(steps, covet, driven, proxy, other, cut_after=(sender, number))
                except Exception as error:
                    error.add_note(f"cut after message {number} of the {sender}")
                    raise
                # A message more or less is the network's doing; one that was there was the last of its connection.
                assert proxy.cuts == cuts + 1 or passed[sender] < number, (sender, number, passed)


async def _once(steps, covet, driven, proxy, other, cut_after=None):
    """How many messages each side has sent once the client was connected."""
    driven.events.clear()
    id = uuid.uuid4().hex[:12]
    run = Run(covet, driven, proxy, other, user=f"user_{id}", room=f"lobby_{id}")
    await run.go([{"connect": {}}])
    before = dict(proxy.messages)
    if cut_after:
        proxy.cut_after(*cut_after)
    await run.go(steps)
    proxy.cut_after(CLIENT, 0)
    await run.go([{"close": {}}])
    assert not [told for told in driven.events if told["event"] == "gap"]
    return {sender: proxy.messages[sender] - before[sender] for sender in (CLIENT, SERVER)}
